import datetime

import pytest
import time_machine
from main import linger


@pytest.mark.parametrize("tick", [False, True])
def test_a_job_that_takes_longer_than_the_first_poll(flash_client, tick):
    with time_machine.travel(
        datetime.datetime(2024, 5, 3, tzinfo=datetime.timezone.utc), tick=tick
    ):
        assert flash_client.get("/linger/1.5").json() == 1.5


@time_machine.travel(0, tick=False)
def test_a_call_of_the_test_itself(flash_endpoints):
    assert linger.blocking(1.2) == 1.2
