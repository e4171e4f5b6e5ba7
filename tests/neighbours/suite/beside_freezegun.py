import asyncio
import datetime

import pytest
from freezegun import freeze_time
from main import double, linger


@pytest.mark.parametrize("tick", [False, True])
def test_a_job_that_takes_longer_than_the_first_poll(flash_client, flash_jobs, tick):
    with freeze_time("2024-05-03", tick=tick):
        assert flash_client.get("/linger/1.5").json() == 1.5
        assert datetime.datetime.now().year == 2024
    assert flash_jobs[0].execution_time >= 1500


@freeze_time("2024-05-03")
def test_a_call_of_the_test_itself(flash_endpoints):
    assert linger.blocking(1.2) == 1.2


def test_awaited_in_frozen_time(flash_async_client):
    async def calls():
        answer = await flash_async_client.get("/double/2")
        return answer.json()["value"], await double(3)

    with freeze_time("2024-05-03"):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(calls()) == (4, 6)
        loop.close()
