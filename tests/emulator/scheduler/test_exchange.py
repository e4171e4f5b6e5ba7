"""Jobs that workers are given for the results of their last."""

from __future__ import annotations

import os
import signal

import httpx
import pytest

from tests.emulator.harness import Emulator, StartEmulator, is_alive, until

EXCHANGING = {"EXCHANGE": "1"}


def test_each_job_is_given_once_and_each_result_kept(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    jobs = [emulator.run(endpoint, do="echo", value=number) for number in range(30)]
    documents = [emulator.ended(endpoint, job) for job in jobs]
    assert [each["output"] for each in documents] == list(range(30))
    assert len({each["workerId"] for each in documents}) == 1
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["completed"] == 30
    assert emulator.statuses(endpoint) == ["IDLE"]


def test_a_result_is_there_while_its_worker_waits_for_the_next_job(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    assert emulator.statuses(endpoint) == ["IDLE"]
    assert emulator.call(endpoint, do="pid")["output"] == pid


def test_a_result_that_is_refused_fails_its_job_and_the_worker_goes_on(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    document = emulator.call(endpoint, do="raw", text='{"output": NaN}')
    assert document["status"] == "FAILED"
    assert "NaN is not JSON" in document["error"]
    assert emulator.call(endpoint, do="pid")["output"] == pid


def test_a_dead_worker_that_waited_swallows_no_job(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    for number in range(10):
        pid = emulator.call(endpoint, do="pid")["output"]
        os.kill(pid, signal.SIGKILL)
        assert emulator.call(endpoint, do="echo", value=number)["output"] == number


def test_an_exchange_that_is_given_up_swallows_no_job(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    answer = emulator.call(endpoint, do="environ")
    headers = {"Authorization": answer["output"]["env"]["RUNPOD_AI_API_KEY"]}
    exchange = f"{emulator.origin}/worker/v2/{endpoint}/job-exchange/{answer['workerId']}"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{exchange}/{answer['id']}", headers=headers, json={}, timeout=0.1)
    jobs = [emulator.run(endpoint, do="echo", value=number) for number in range(3)]
    assert [emulator.ended(endpoint, job)["output"] for job in jobs] == [0, 1, 2]
    assert emulator.status(endpoint, answer["id"])["output"] == answer["output"]


def test_an_idle_exchange_is_answered_after_its_hold(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(take_hold=0.1)
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1})
    answer = emulator.call(endpoint, do="environ")
    headers = {"Authorization": answer["output"]["env"]["RUNPOD_AI_API_KEY"]}
    exchange = f"{emulator.origin}/worker/v2/{endpoint}/job-exchange/{answer['workerId']}"
    assert httpx.post(f"{exchange}/{answer['id']}", headers=headers, json={}).status_code == 204


def test_a_worker_of_an_old_version_is_given_nothing_for_its_result(emulator: Emulator) -> None:
    endpoint = emulator.create(env={**EXCHANGING, "A": "1"}, workers={"max": 1})
    answer = emulator.call(endpoint, do="environ")
    headers = {"Authorization": answer["output"]["env"]["RUNPOD_AI_API_KEY"]}
    job = emulator.run(endpoint, do="sleep", seconds=30)
    emulator.running(endpoint, job)
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {"A": "2"}})
    exchange = f"{emulator.origin}/worker/v2/{endpoint}/job-exchange/{answer['workerId']}/{job}"
    given = httpx.post(exchange, headers=headers, json={"output": "of the old version"})
    assert given.status_code == 204
    assert emulator.status(endpoint, job)["output"] == "of the old version"


def test_a_worker_that_waits_goes_home_when_it_has_idled(emulator: Emulator) -> None:
    endpoint = emulator.create(env=EXCHANGING, workers={"max": 1, "idleTimeout": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    until(lambda: is_alive(pid), lambda alive: not alive, seconds=30)
    assert emulator.workers(endpoint) == []
