import pytest


@pytest.mark.parametrize("x", [1, 2, 3])
def test_a_call_behind_its_progress_bar(flash_client, x):
    assert flash_client.get(f"/double/{x}").json() == {"value": 2 * x}
