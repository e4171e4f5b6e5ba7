"""The worker's side of the protocol: requests, retries, pings, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from pytest_flash.emulator.packages.hermetic import Hermetic
from tests.emulator.worker.platform import (
    CREDENTIAL,
    Platform,
    WorkerProcess,
    function_request,
    wait_for,
)

StartWorker = Callable[..., WorkerProcess]
UNTIL_GO = """
    import pathlib, time

    def f():
        pathlib.Path("running").touch()
        deadline = time.monotonic() + 10
        while not pathlib.Path("go").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return "finished"
"""


def exchange_at(platform: Platform) -> str:
    """What tells a worker that the platform gives jobs for results."""
    return f"{platform.base}/job-exchange/worker1/$ID"


def test_job_take_and_job_done_are_asked_as_the_protocol_says(
    platform: Platform, start_worker: StartWorker
) -> None:
    start_worker()
    job_id = platform.submit(function_request("def f(): pass"))
    platform.result(job_id)
    take = platform.requests("job-take")[0]
    assert take.path.endswith("/job-take/worker1")
    assert take.query == {"gpu": "emulated", "job_in_progress": "0"}
    assert take.headers["Authorization"] == CREDENTIAL
    assert take.headers["Content-Type"] == "application/json"
    done = platform.requests("job-done")[0]
    assert done.path.endswith(f"/job-done/worker1/{job_id.replace(' ', '%20')}")
    assert done.query == {"gpu": "emulated", "isStream": "false"}
    assert done.headers["Authorization"] == CREDENTIAL
    assert done.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert done.headers["charset"] == "utf-8"
    assert done.headers["X-Request-ID"] == job_id


def test_extra_keys_of_a_job_are_ignored(platform: Platform, start_worker: StartWorker) -> None:
    start_worker()
    request = function_request("def f(): return 1", modules={"a": "b"})
    job_id = platform.submit(request, webhook="http://127.0.0.1:9/", batchId="b")
    assert platform.result(job_id).value == 1


def test_jobs_run_one_after_the_other_in_order(
    platform: Platform, start_worker: StartWorker
) -> None:
    code = "import time\ndef f(): return time.monotonic_ns()"
    jobs = [platform.submit(function_request(code)) for _ in range(20)]
    start_worker()
    times = [platform.result(job).value for job in jobs]
    assert times == sorted(times)


def test_pings_name_the_job_while_it_runs(platform: Platform, start_worker: StartWorker) -> None:
    worker = start_worker(RUNPOD_PING_INTERVAL="100")
    wait_for(lambda: platform.requests("ping"))
    idle = platform.requests("ping")[0]
    assert idle.query.keys() == {"runpod_version"}
    assert idle.headers["Authorization"] == CREDENTIAL
    job = platform.submit(function_request(UNTIL_GO))
    wait_for(lambda: any("job_id" in ping.query for ping in platform.requests("ping")))
    busy = next(ping for ping in platform.requests("ping") if "job_id" in ping.query)
    assert busy.query["job_id"] == job
    (worker.home / "go").touch()
    assert platform.result(job).value == "finished"


def test_a_job_take_that_fails_is_tried_again(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.refusals["job-take"] = [500, 404, 204, 400]
    worker = start_worker()
    assert platform.call("def f(): return 1").value == 1
    assert "job-take: 500" in worker.output


@pytest.mark.parametrize("body", [[], "text", {}, {"id": "a"}, {"id": "", "input": {}}])
def test_a_job_without_id_and_input_is_passed_over(
    platform: Platform, start_worker: StartWorker, body: object
) -> None:
    platform.oddities.append(body)
    worker = start_worker()
    assert platform.call("def f(): return 1").value == 1
    assert "a job without id or input" in worker.output


def test_answers_that_come_at_once_and_empty_make_no_busy_loop(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.refusals["job-take"] = [204] * 1000
    start_worker()
    wait_for(lambda: len(platform.requests("job-take")) > 2)
    wait_for(lambda: platform.requests("ping"))
    started = len(platform.requests("job-take"))
    with pytest.raises(AssertionError):
        wait_for(lambda: len(platform.requests("job-take")) > started + 8, timeout=0.7)


def test_a_result_refused_for_a_moment_is_posted_again(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.refusals["job-done"] = [503]
    start_worker()
    assert platform.call("def f(): return 1").value == 1
    assert len(platform.requests("job-done")) == 2


def test_a_result_refused_permanently_is_dropped_and_the_worker_goes_on(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.refusals["job-done"] = [400]
    worker = start_worker()
    dropped = platform.submit(function_request("def f(): return 1"))
    assert platform.call("def f(): return 2").value == 2
    assert f"the result of job {dropped} was not accepted: job-done: 400" in worker.output


def test_a_result_is_given_for_the_next_job(platform: Platform, start_worker: StartWorker) -> None:
    jobs = [platform.submit(function_request(f"def f(): return {n}")) for n in range(5)]
    start_worker(FLASH_EXCHANGE_URL=exchange_at(platform))
    assert [platform.result(job).value for job in jobs] == list(range(5))
    wait_for(lambda: len(platform.requests("job-exchange")) == 5)
    assert len(platform.requests("job-take")) == 1
    assert not platform.requests("job-done")
    first = platform.requests("job-exchange")[0]
    assert first.path.endswith(f"/job-exchange/worker1/{jobs[0].replace(' ', '%20')}")
    assert first.headers["Authorization"] == CREDENTIAL


def test_after_an_exchange_without_a_job_the_next_is_taken(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.hold = 0.1
    start_worker(FLASH_EXCHANGE_URL=exchange_at(platform))
    platform.call("def f(): return 1")
    wait_for(lambda: len(platform.requests("job-take")) > 1)
    assert platform.call("def f(): return 2").value == 2
    assert not platform.requests("job-done")


@pytest.mark.parametrize("status", [0, 400, 404, 503])
def test_a_result_whose_exchange_fails_is_posted(
    platform: Platform, start_worker: StartWorker, status: int
) -> None:
    platform.refusals["job-exchange"] = [status] * (2 if status == 0 else 1)
    worker = start_worker(FLASH_EXCHANGE_URL=exchange_at(platform))
    assert platform.call("def f(): return 1").value == 1
    assert len(platform.requests("job-done")) == 1
    assert platform.call("def f(): return 2").value == 2
    assert len(platform.requests("job-done")) == 1
    assert worker.output == ""


def test_sigterm_ends_a_worker_that_waits_for_an_exchange_and_its_result_is_posted(
    platform: Platform, start_worker: StartWorker
) -> None:
    platform.hold = 30
    worker = start_worker(FLASH_EXCHANGE_URL=exchange_at(platform))
    job = platform.submit(function_request("def f(): return 1"))
    assert platform.result(job).value == 1
    assert platform.taking.wait(30)
    worker.process.send_signal(signal.SIGTERM)
    assert platform.result(job, timeout=30).value == 1
    assert worker.process.wait(30) == 0
    assert [each.verb for each in platform.seen if "job-" in each.verb] == [
        "job-take",
        "job-exchange",
        "job-done",
    ]
    assert worker.output == ""


def test_a_connection_that_the_server_closed_while_a_job_ran_costs_nothing(
    platform: Platform, start_worker: StartWorker
) -> None:
    start_worker()
    platform.hangs_up = True
    assert platform.call("def f(): return 1").value == 1
    assert platform.call("def f(): return 2").value == 2


def test_sigterm_lets_the_running_job_finish(platform: Platform, start_worker: StartWorker) -> None:
    worker = start_worker()
    job = platform.submit(function_request(UNTIL_GO))
    wait_for((worker.home / "running").exists)
    worker.process.send_signal(signal.SIGTERM)
    waiting = platform.submit(function_request("def f(): return 1"))
    (worker.home / "go").touch()
    assert platform.result(job).value == "finished"
    assert worker.process.wait(30) == 0
    assert platform.queued() == [waiting]


def test_sigterm_ends_an_idle_worker_at_once(platform: Platform, start_worker: StartWorker) -> None:
    platform.hold = 30
    worker = start_worker()
    assert platform.taking.wait(30)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    assert worker.output == ""


def test_sigterm_of_a_forked_child_ends_the_child_and_not_the_worker(
    platform: Platform, start_worker: StartWorker
) -> None:
    start_worker()
    code = """
        import multiprocessing, time

        def f():
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60])
            child.start()
            child.terminate()
            child.join(5)
            return child.exitcode
    """
    assert platform.call(code).value == -signal.SIGTERM
    assert platform.call("def f(): return 'alive'").value == "alive"


def test_a_worker_waits_for_a_platform_that_is_away(
    platform: Platform, start_worker: StartWorker
) -> None:
    nowhere = "http://127.0.0.1:9/job-take/$ID?gpu=emulated"
    worker = start_worker(RUNPOD_WEBHOOK_GET_JOB=nowhere)
    wait_for(lambda: worker.output.count("ConnectionRefusedError") >= 2)
    assert worker.process.poll() is None


def test_started_by_hand_it_says_who_starts_it(hermetic: Hermetic) -> None:
    read, write = os.pipe()
    ended = subprocess.run(
        hermetic.program(preinstalled=()).argv,
        env={},
        stdin=read,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(read)
    os.close(write)
    assert ended.returncode == 2
    assert "RUNPOD_POD_ID is not set; only the emulator starts this program" in ended.stderr
