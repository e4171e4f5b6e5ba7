"""Workers: real processes, started on demand, watched, replaced."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.emulator.harness import Emulator, StartEmulator, is_alive, until


def test_no_worker_starts_without_a_job(emulator: Emulator) -> None:
    assert emulator.workers(emulator.create()) == []


def test_a_worker_is_a_process_of_its_own_and_stays_warm(emulator: Emulator) -> None:
    endpoint = emulator.create()
    pids = {emulator.call(endpoint, do="pid")["output"] for _ in range(5)}
    assert len(pids) == 1
    assert pids.isdisjoint({os.getpid(), emulator.process.pid})
    assert len(emulator.workers(endpoint)) == 1


def test_a_worker_sees_its_endpoints_environment_and_nothing_of_ours(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"MODEL": "x", "RUNPOD_POD_ID": "mine"})
    answer = emulator.call(endpoint, do="environ")
    seen, env = answer["output"], answer["output"]["env"]
    worker = answer["workerId"]
    base = f"{emulator.origin}/worker/v2/{endpoint}"
    assert env.pop("RUNPOD_AI_API_KEY")
    assert env.pop("HOME") == seen["cwd"]
    assert seen["files"] == []
    assert env == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MODEL": "x",
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=emulated",
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": "10000",
        "RUNPOD_POD_ID": worker,
        "RUNPOD_POD_HOSTNAME": worker,
        "RUNPOD_ENDPOINT_ID": endpoint,
        "FLASH_EXCHANGE_URL": f"{base}/job-exchange/{worker}/$ID",
        "FLASH_DEPENDENCIES_URL": f"{base}/dependencies/{worker}",
        "FLASH_STACK_FILE": f"{env['FLASH_STACK_FILE'].rpartition('/')[0]}/{worker}.stacks",
    }


@pytest.mark.parametrize(
    ("scaling", "jobs", "expected"),
    [
        ({"type": "QUEUE_DELAY", "queueDelay": 4}, 2, 2),
        ({"type": "QUEUE_DELAY", "queueDelay": 4}, 6, 3),
        ({"type": "REQUEST_COUNT", "requestCount": 3}, 3, 1),
        ({"type": "REQUEST_COUNT", "requestCount": 3}, 4, 2),
        ({"type": "REQUEST_COUNT", "requestCount": 1}, 6, 3),
    ],
)
def test_workers_grow_with_the_load_up_to_the_maximum(
    emulator: Emulator, scaling: dict[str, object], jobs: int, expected: int
) -> None:
    endpoint = emulator.create(scaling=scaling, workers={"max": 3})
    for _ in range(jobs):
        emulator.run(endpoint, do="sleep", seconds=30)
    until(lambda: emulator.statuses(endpoint), lambda found: found == ["RUNNING"] * expected)


def test_a_low_priority_job_waits_for_another_to_start_a_worker(emulator: Emulator) -> None:
    endpoint = emulator.create()
    body = {"input": {"do": "pid"}, "policy": {"lowPriority": True}}
    low = emulator.queue.post(f"/{endpoint}/run", json=body).json()["id"]
    assert emulator.workers(endpoint) == []
    emulator.call(endpoint, do="pid")
    assert emulator.ended(endpoint, low)["status"] == "COMPLETED"


def test_minimum_workers_are_there_before_any_job(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"min": 2, "max": 2})
    until(lambda: emulator.statuses(endpoint), lambda found: found == ["IDLE", "IDLE"])


def test_a_killed_minimum_worker_is_replaced(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"min": 1, "max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    before = emulator.workers(endpoint)
    os.kill(pid, signal.SIGKILL)
    after = until(
        lambda: emulator.workers(endpoint),
        lambda workers: [each["status"] for each in workers] == ["IDLE"] and workers != before,
    )
    assert after[0]["id"] != before[0]["id"]


def test_an_idle_worker_goes_home_but_for_the_minimum(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"min": 1, "max": 2, "idleTimeout": 1})
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(emulator.call, endpoint, do="sleep", seconds=0.3) for _ in range(2)]
        workers = {call.result()["workerId"] for call in calls}
    assert len(workers) == 2
    lonely = emulator.create(workers={"idleTimeout": 1})
    pid = emulator.call(lonely, do="pid")["output"]
    until(lambda: len(emulator.workers(endpoint)), lambda count: count == 1, seconds=30)
    until(lambda: is_alive(pid), lambda alive: not alive, seconds=30)
    assert emulator.workers(lonely) == []
    assert emulator.workers(endpoint)[0]["status"] == "IDLE"


@pytest.mark.parametrize(
    ("todo", "how"),
    [
        ({"do": "print and exit", "code": 3, "text": "last words"}, "exited with code 3"),
        ({"do": "print and exit", "code": 0, "text": "last words"}, "exited with code 0"),
        ({"do": "signal", "number": 9}, "was killed by SIGKILL"),
        ({"do": "signal", "number": 11}, "was killed by SIGSEGV"),
    ],
)
def test_a_worker_that_dies_fails_its_job_at_once(
    emulator: Emulator, todo: dict[str, object], how: str
) -> None:
    endpoint = emulator.create(workers={"max": 1})
    worker = emulator.call(endpoint, do="pid")["workerId"]
    began = time.monotonic()
    document = emulator.call(endpoint, **todo)
    assert time.monotonic() - began < 15
    assert document["status"] == "FAILED"
    assert document["workerId"] == worker
    assert f"worker {worker} {how}" in document["error"]
    if "text" in todo:
        assert "last words" in document["error"]
    after = emulator.call(endpoint, do="pid")
    assert after["status"] == "COMPLETED"
    assert after["workerId"] != worker


def test_a_dead_workers_children_die_with_it(emulator: Emulator) -> None:
    endpoint = emulator.create()
    child = emulator.call(endpoint, do="child")["output"]
    assert is_alive(child)
    emulator.call(endpoint, do="print and exit", code=1, text="")
    until(lambda: is_alive(child), lambda alive: not alive, seconds=30)


def test_a_dead_workers_poll_swallows_no_job(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    for number in range(10):
        pid = emulator.call(endpoint, do="pid")["output"]
        os.kill(pid, signal.SIGKILL)
        assert emulator.call(endpoint, do="echo", value=number)["output"] == number


def test_a_poll_that_is_given_up_swallows_no_job(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    answer = emulator.call(endpoint, do="environ")
    headers = {"Authorization": answer["output"]["env"]["RUNPOD_AI_API_KEY"]}
    before = emulator.run(endpoint, do="sleep", seconds=600)
    emulator.running(endpoint, before)
    take = f"{emulator.origin}/worker/v2/{endpoint}/job-take/{answer['workerId']}"
    with pytest.raises(httpx.ReadTimeout):  # the one poll that waits, and goes away
        httpx.get(f"{take}?job_in_progress=1", headers=headers, timeout=0.1)
    job = emulator.run(endpoint, do="pid")
    assert emulator.status(endpoint, job)["status"] == "IN_QUEUE"
    emulator.queue.post(f"/{endpoint}/cancel/{before}")
    assert emulator.ended(endpoint, job)["status"] == "COMPLETED"


def test_a_job_whose_result_never_comes_fails_when_its_worker_goes_on(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    document = emulator.call(endpoint, do="nothing")
    assert document["status"] == "FAILED"
    assert "without a result" in document["error"]
    assert emulator.call(endpoint, do="pid")["output"] == pid


def test_a_cancelled_job_stops_a_worker_that_listens(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"LISTEN": "1"}, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    job = emulator.run(endpoint, do="sleep", seconds=30)
    emulator.running(endpoint, job)
    answer = emulator.queue.post(f"/{endpoint}/cancel/{job}").json()
    assert answer["status"] == "CANCELLED"
    assert emulator.call(endpoint, do="pid")["output"] == pid
    assert emulator.status(endpoint, job)["status"] == "CANCELLED"


def test_a_cancelled_job_replaces_a_worker_that_does_not_listen(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    job = emulator.run(endpoint, do="sleep", seconds=30)
    emulator.running(endpoint, job)
    emulator.queue.post(f"/{endpoint}/cancel/{job}")
    assert emulator.call(endpoint, do="pid")["output"] != pid
    assert not is_alive(pid)


def test_a_late_result_of_a_cancelled_job_keeps_the_worker(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    job = emulator.run(endpoint, do="late", seconds=0.1)
    emulator.running(endpoint, job)
    emulator.queue.post(f"/{endpoint}/cancel/{job}")
    assert emulator.call(endpoint, do="pid")["output"] == pid
    document = emulator.status(endpoint, job)
    assert document["status"] == "CANCELLED"
    assert "output" not in document


def test_a_worker_that_stops_answering_fails_its_job_and_is_replaced(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(ping_interval=0.5, missed_pings=4)
    endpoint = emulator.create(env={"PINGS": "1"}, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    job = emulator.run(endpoint, do="sleep", seconds=2.5)
    assert emulator.ended(endpoint, job)["status"] == "COMPLETED"  # for it sent its pings
    job = emulator.run(endpoint, do="sleep", seconds=60)
    emulator.running(endpoint, job)
    os.kill(pid, signal.SIGSTOP)
    document = emulator.ended(endpoint, job)
    assert document["status"] == "FAILED"
    assert "it sent no ping for 2 s" in document["error"]
    assert not is_alive(pid)
    assert emulator.call(endpoint, do="pid")["output"] != pid


@pytest.mark.parametrize(
    ("env", "missed_pings"), [({}, 1), ({"PINGS": "1"}, 0)], ids=["that never pinged", "option off"]
)
def test_pings_are_not_missed_of_a_worker(
    start_emulator: StartEmulator, env: dict[str, str], missed_pings: int
) -> None:
    emulator = start_emulator(ping_interval=0.05, missed_pings=missed_pings)
    endpoint = emulator.create(env=env, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    job = emulator.run(endpoint, do="sleep", seconds=1)
    emulator.running(endpoint, job)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.5)  # many times what it might miss
    os.kill(pid, signal.SIGCONT)
    assert emulator.ended(endpoint, job)["output"] == "slept"


def test_a_dead_workers_job_is_delivered_again_when_the_project_wants_it(
    start_emulator: StartEmulator, tmp_path: Path
) -> None:
    emulator = start_emulator(redeliveries=2, retry_delay=0.02)
    endpoint = emulator.create(workers={"max": 1})
    document = emulator.call(endpoint, do="exit once", mark=str(tmp_path / "mark"))
    assert (document["status"], document["output"]) == ("COMPLETED", "done")
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["retried"] == 1
    document = emulator.call(endpoint, do="signal", number=9)
    assert document["status"] == "FAILED"
    assert "SIGKILL" in document["error"]
    jobs = emulator.queue.get(f"/{endpoint}/health").json()["jobs"]
    assert (jobs["retried"], jobs["failed"]) == (3, 1)


def test_a_worker_that_asks_for_it_is_replaced_after_its_job(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    body = {"output": 1, "stopPod": True}
    first = emulator.call(endpoint, do="body", body=body)["workerId"]
    assert emulator.call(endpoint, do="pid")["workerId"] != first


def test_a_new_version_replaces_idle_workers_at_once(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"A": "1"}, workers={"max": 1})
    first = emulator.call(endpoint, do="environ")
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {"A": "2"}})
    second = emulator.call(endpoint, do="environ")
    assert (first["output"]["env"]["A"], second["output"]["env"]["A"]) == ("1", "2")
    assert second["workerId"] != first["workerId"]


def test_a_new_version_replaces_busy_workers_after_their_job(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"A": "1"}, workers={"max": 1})
    job = emulator.run(endpoint, do="sleep", seconds=0.5)
    worker = emulator.running(endpoint, job)["workerId"]
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {"A": "2"}})
    shown = emulator.workers(endpoint)
    assert [(each["id"], each["isStale"]) for each in shown] == [(worker, True)]
    after = emulator.call(endpoint, do="environ")
    assert emulator.status(endpoint, job)["status"] == "COMPLETED"
    assert after["output"]["env"]["A"] == "2"
    assert after["workerId"] != worker


def test_a_patch_that_changes_no_container_keeps_the_workers(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"A": "1"})
    pid = emulator.call(endpoint, do="pid")["output"]
    patch = {"name": "other", "env": {"A": "1"}, "timeout": 9000, "workers": {"max": 2}}
    emulator.management.patch(f"/v2/serverless/{endpoint}", json=patch)
    assert emulator.call(endpoint, do="pid")["output"] == pid


def test_fewer_maximum_workers_stop_idle_ones(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"min": 2, "max": 2})
    until(lambda: emulator.statuses(endpoint), lambda found: found == ["IDLE", "IDLE"])
    patch = {"workers": {"min": 0, "max": 1}}
    emulator.management.patch(f"/v2/serverless/{endpoint}", json=patch)
    assert emulator.statuses(endpoint) == ["IDLE"]


def test_a_batch_is_taken_at_once(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"BATCH": "3"}, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    jobs = [emulator.run(endpoint, do="pid") for _ in range(7)]
    assert {emulator.ended(endpoint, job)["output"] for job in jobs} == {pid}


def test_a_worker_with_other_jobs_is_not_killed_for_one(emulator: Emulator) -> None:
    endpoint = emulator.create(env={"BATCH": "3"}, workers={"max": 1})
    pid = emulator.call(endpoint, do="pid")["output"]
    blocking = emulator.run(endpoint, do="late", seconds=1)
    emulator.running(endpoint, blocking)
    batch = [emulator.run(endpoint, do="late", seconds=0.8)]
    batch += [emulator.run(endpoint, do="pid") for _ in range(2)]
    emulator.running(endpoint, batch[0])  # taken with the others, which wait for it
    emulator.queue.post(f"/{endpoint}/cancel/{batch[0]}")
    assert [emulator.ended(endpoint, job)["output"] for job in batch[1:]] == [pid, pid]


def test_dependencies_are_asked_for_over_the_worker_plane(emulator: Emulator) -> None:
    endpoint = emulator.create()
    answer = emulator.call(endpoint, do="dependencies", request={"dependencies": ["a", "b"]})
    assert answer["output"] == [200, {"paths": ["/some/folder"], "notes": "installed a, b"}]
    refused = emulator.call(endpoint, do="dependencies", request={"dependencies": ["broken"]})
    assert refused["output"] == [422, {"error": "no such package: broken"}]
    wrong = emulator.call(endpoint, do="dependencies", request={"dependencies": "a"})
    assert wrong["output"][0] == 422


def test_an_installation_blocks_no_other_request(emulator: Emulator) -> None:
    endpoint = emulator.create(timeout=500, workers={"max": 1})
    emulator.call(endpoint, do="pid")
    job = emulator.run(endpoint, do="dependencies", request={"dependencies": ["endless"]})
    emulator.running(endpoint, job)
    assert emulator.call(emulator.create(), do="echo", value=1)["output"] == 1
    assert emulator.ended(endpoint, job)["status"] == "TIMED_OUT"


def test_an_idle_poll_is_answered_after_its_hold(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(take_hold=0.2)
    endpoint = emulator.create(env={"LISTEN": "1"}, workers={"min": 1, "max": 1})
    until(lambda: emulator.statuses(endpoint), lambda found: found == ["IDLE"])
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        assert emulator.call(endpoint, do="echo", value=1)["output"] == 1
    assert len(emulator.workers(endpoint)) == 1
