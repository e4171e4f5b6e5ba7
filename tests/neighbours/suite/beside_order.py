"""pytest-randomly and pytest-repeat: each test as often as it says, in any order."""

import random

import pytest


@pytest.mark.repeat(3)
def test_again(flash_client, flash_jobs):
    number = random.randrange(1000)
    assert flash_client.get(f"/double/{number}").json() == {"value": 2 * number}
    assert len(flash_jobs) == 1


@pytest.mark.parametrize("x", [1, 2])
def test_in_any_order(flash_client, flash_jobs, x):
    flash_client.get(f"/double/{x}")
    assert [job.function for job in flash_jobs] == ["double"]
