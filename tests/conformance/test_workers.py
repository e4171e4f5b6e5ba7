"""Official ``runpod`` workers, unmodified, as the programs of images."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import Client
from tests.emulator.harness import Emulator, is_alive, until


def submitted(emulator: Emulator, endpoint: str, content: Any, **body: Any) -> str:
    answer = emulator.queue.post(f"/{endpoint}/run", json={"input": content, **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def ended(emulator: Emulator, endpoint: str, content: Any) -> dict[str, Any]:
    answer = emulator.queue.post(f"/{endpoint}/runsync?wait=20000", json={"input": content})
    document: dict[str, Any] = answer.json()
    return document


def streamed(emulator: Emulator, endpoint: str, content: Any) -> tuple[list[Any], dict[str, Any]]:
    """What a job streamed, and its document at its end."""
    job = submitted(emulator, endpoint, content)
    document = until(
        lambda: emulator.status(endpoint, job),
        lambda document: document["status"] in ("COMPLETED", "FAILED"),
    )
    stream = emulator.queue.get(f"/{endpoint}/stream/{job}").json()["stream"]
    return [item["output"] for item in stream], document


def test_a_sync_handler_and_what_it_sees(emulator: Emulator, project: Path) -> None:
    endpoint = emulator.create(image="official/sync", workers={"max": 1})
    document = ended(emulator, endpoint, {"about": 1})
    seen = document["output"]
    assert seen["cwd"] == str(project)
    assert not any(Path(seen["home"]).iterdir())
    assert seen["job"] == {"id": document["id"], "input": {"about": 1}}
    # A scalar, null and an empty object as results.
    batch = [submitted(emulator, endpoint, {"return": value}) for value in (7, None)]
    assert [emulator.ended(endpoint, job).get("output", "none") for job in batch] == [7, None]


def test_results_that_fail_a_job(emulator: Emulator) -> None:
    # A worker of their own for each: one takes a job a second.
    endpoint = emulator.create(image="official/sync", workers={"max": 3})
    raised, told, lost = (
        submitted(emulator, endpoint, todo)
        for todo in (
            {"raise": "oh no"},
            {"return": {"error": "told", "rest": 1}},
            {"unserialisable": 1},
        )
    )
    document = emulator.ended(endpoint, raised)
    assert document["status"] == "FAILED"
    error = json.loads(document["error"])
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "oh no")
    assert "official_worker.py" in error["error_traceback"]
    assert error["hostname"] == error["worker_id"] == document["workerId"]
    document = emulator.ended(endpoint, told)
    assert (document["status"], document["error"]) == ("FAILED", "told")
    assert document["output"] == {"rest": 1}
    document = emulator.ended(endpoint, lost)
    assert document["status"] == "FAILED"
    assert "without a result" in document["error"]


def test_an_async_handler_is_cancelled(emulator: Emulator, tmp_path: Path) -> None:
    endpoint = emulator.create(image="official/async", workers={"max": 1})
    mark = tmp_path / "mark"
    job = submitted(emulator, endpoint, {"sleep": 60, "mark": str(mark)})
    until(mark.with_suffix(".begun").exists, bool)
    worker = emulator.status(endpoint, job)["workerId"]
    answer = emulator.queue.post(f"/{endpoint}/cancel/{job}").json()
    assert answer == {"id": job, "status": "CANCELLED"}
    until(mark.with_suffix(".stopped").exists, bool)
    # It gave the job up, so that it may stay.
    document = ended(emulator, endpoint, {"value": 2})
    assert (document["output"]["value"], document["workerId"]) == (2, worker)
    assert emulator.status(endpoint, job)["status"] == "CANCELLED"


def test_a_job_that_ends_early_leaves_the_workers_others_alone(
    emulator: Emulator, tmp_path: Path
) -> None:
    endpoint = emulator.create(image="official/several", workers={"max": 1}, timeout=1500)
    marks = [tmp_path / name for name in ("long", "cancelled", "overdue")]
    long = submitted(
        emulator,
        endpoint,
        {"sleep": 4, "value": 1, "mark": str(marks[0])},
        policy={"executionTimeout": 60_000},
    )
    cancelled, overdue = (
        submitted(emulator, endpoint, {"sleep": 60, "mark": str(mark)}) for mark in marks[1:]
    )
    for mark in marks:
        until(mark.with_suffix(".begun").exists, bool)
    emulator.queue.post(f"/{endpoint}/cancel/{cancelled}")
    until(marks[1].with_suffix(".stopped").exists, bool)
    assert emulator.ended(endpoint, overdue)["status"] == "TIMED_OUT"
    until(marks[2].with_suffix(".stopped").exists, bool)
    document = emulator.ended(endpoint, long)
    assert (document["status"], document["output"]["value"]) == ("COMPLETED", 1)
    again = ended(emulator, endpoint, {"value": 2})
    assert again["workerId"] == document["workerId"]


def test_a_blocking_handler_is_replaced_when_its_job_is_cancelled(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/sync", workers={"max": 1})
    job = submitted(emulator, endpoint, {"sleep": 60})
    worker = emulator.running(endpoint, job)["workerId"]
    emulator.queue.post(f"/{endpoint}/cancel/{job}")
    document = ended(emulator, endpoint, {"return": 1})
    assert document["status"] == "COMPLETED"
    assert document["workerId"] != worker


@pytest.mark.parametrize("kind", ["generator", "async_generator", "aggregate"])
def test_generators(emulator: Emulator, kind: str) -> None:
    endpoint = emulator.create(image=f"official/{kind}", workers={"max": 1})
    three = [{"number": number} for number in range(3)]
    items, document = streamed(emulator, endpoint, {"count": 3})
    assert items == three
    assert document["status"] == "COMPLETED"
    assert document["output"] == (three if kind == "aggregate" else [])
    items, document = streamed(emulator, endpoint, {"count": 2, "raise": "oh no"})
    assert items == three[:2]
    assert document["status"] == "FAILED"
    assert document["error"].startswith("handler: oh no")
    items, document = streamed(emulator, endpoint, {"count": 1, "error": "told"})
    assert items == three[:1]
    assert (document["status"], document["error"]) == ("FAILED", "told")


def test_a_concurrency_modifier_takes_batches(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/concurrent", workers={"max": 1})
    alone = ended(emulator, endpoint, {"jobs": 1})
    jobs = [submitted(emulator, endpoint, {"jobs": 5}) for _ in range(4)]
    documents = [emulator.ended(endpoint, job) for job in jobs]
    assert [document.get("output") for document in documents] == [alone["output"]] * 4


def test_refresh_worker_replaces_it_after_each_job(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/refresh", workers={"max": 1})
    first, second = (ended(emulator, endpoint, {"about": 1}) for _ in range(2))
    assert first["status"] == second["status"] == "COMPLETED"
    assert first["workerId"] != second["workerId"]
    until(lambda: is_alive(first["output"]["pid"]), lambda alive: not alive)


def test_progress_updates(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/progress", workers={"max": 1})
    job = submitted(emulator, endpoint, {"steps": ["half", {"way": 2}], "sleep": 1})
    seen: list[Any] = []

    def output() -> Any:
        seen.append(emulator.status(endpoint, job).get("output"))
        return seen[-1]

    until(output, lambda found: found == {"way": 2})
    assert "half" in seen
    document = emulator.ended(endpoint, job)
    assert (document["status"], document["output"]) == ("COMPLETED", "finished")
    assert emulator.status(endpoint, job) == document
    # Updates travel on threads of their own, and may come after the result.
    late = submitted(emulator, endpoint, {"steps": list(range(20)), "pause": 0})
    document = emulator.ended(endpoint, late)
    assert document["output"] == "finished"
    ended(emulator, endpoint, {"steps": []})
    assert emulator.status(endpoint, late) == document


def test_sigterm_lets_a_worker_finish_its_job(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/async", workers={"max": 1})
    pid = ended(emulator, endpoint, {"value": 0})["output"]["pid"]
    job = submitted(emulator, endpoint, {"value": 1, "sleep": 1})
    emulator.running(endpoint, job)
    os.kill(pid, signal.SIGTERM)
    document = emulator.ended(endpoint, job)
    assert document["status"] == "COMPLETED"
    assert document["output"] == {"value": 1, "pid": pid}


def test_an_idle_worker_ends_in_order_when_its_endpoint_changes(
    emulator: Emulator, tmp_path: Path
) -> None:
    mark = tmp_path / "ended"
    env = {"MARK_END": str(mark)}
    endpoint = emulator.create(image="official/echo", workers={"max": 1}, env=env)
    seen = ended(emulator, endpoint, {"about": 1})["output"]
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {}})
    until(lambda: is_alive(seen["pid"]), lambda alive: not alive)
    assert mark.exists()


def test_a_failed_fitness_check_fails_the_jobs_with_its_reason(emulator: Emulator) -> None:
    env = {"UNFIT": "the weights are gone"}
    endpoint = emulator.create(image="official/echo", workers={"max": 1}, env=env)
    document = ended(emulator, endpoint, {"return": 1})
    assert document["status"] == "FAILED"
    assert "reported itself unhealthy" in document["error"]
    assert "the weights are gone" in document["error"]


def test_a_worker_that_dies_fails_its_job_with_its_last_words(emulator: Emulator) -> None:
    endpoint = emulator.create(image="official/async", workers={"max": 1})
    pid = ended(emulator, endpoint, {"value": 0})["output"]["pid"]
    job = submitted(emulator, endpoint, {"sleep": 60, "mark": ""})
    emulator.running(endpoint, job)
    os.kill(pid, signal.SIGKILL)
    document = emulator.ended(endpoint, job)
    assert document["status"] == "FAILED"
    assert "was killed by SIGKILL" in document["error"]
    assert "Handling Job" in document["error"]


def test_the_endpoints_timeout_replaces_a_worker(emulator: Emulator, client: Client) -> None:
    endpoint = emulator.create(image="official/sync", workers={"max": 1}, timeout=300)
    job = submitted(emulator, endpoint, {"sleep": 60})
    document = emulator.ended(endpoint, job)
    assert document["status"] == "TIMED_OUT"
    assert document["executionTime"] >= 300
    assert client("strict_job", document)["workerId"]
