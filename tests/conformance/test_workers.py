"""Official ``runpod`` workers, unmodified, as the programs of images.

They take one job a second and start slowly, so the scenes are played side by side.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import Client
from tests.emulator.harness import Emulator, is_alive, serving_timed, until
from tests.support.runs.scenes import Scenes, playing

GENERATORS = ("generator", "async_generator", "aggregate")


@dataclass(frozen=True)
class Stage:
    """The emulator, its project, and a folder of the scene's own."""

    emulator: Emulator
    project: Path
    folder: Path

    def create(self, kind: str, **changes: Any) -> str:
        """An endpoint of one official worker, which stays while there is nothing to do."""
        image, workers = f"official/{kind}", {"max": 1, "idleTimeout": 3600}
        return self.emulator.create(**{"image": image, "workers": workers, **changes})

    def submit(self, endpoint: str, content: Any, **body: Any) -> str:
        answer = self.emulator.queue.post(f"/{endpoint}/run", json={"input": content, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def run(self, endpoint: str, content: Any) -> dict[str, Any]:
        """The document of a job that has ended."""
        return self.emulator.ended(endpoint, self.submit(endpoint, content))

    def cancel(self, endpoint: str, job: str) -> Any:
        return self.emulator.queue.post(f"/{endpoint}/cancel/{job}").json()


def a_sync_handler_and_what_it_sees(stage: Stage) -> None:
    endpoint = stage.create("sync")
    document = stage.run(endpoint, {"about": 1})
    seen = document["output"]
    assert seen["cwd"] == str(stage.project)
    assert not any(Path(seen["home"]).iterdir())
    assert seen["job"] == {"id": document["id"], "input": {"about": 1}}
    # A scalar and null as results.
    batch = [stage.submit(endpoint, {"return": value}) for value in (7, None)]
    documents = [stage.emulator.ended(endpoint, job) for job in batch]
    assert [document.get("output", "none") for document in documents] == [7, None]


def results_that_fail_a_job(stage: Stage) -> None:
    endpoint = stage.create("sync")
    raised, told, lost = (
        stage.submit(endpoint, todo)
        for todo in (
            {"raise": "oh no"},
            {"return": {"error": "told", "rest": 1}},
            {"unserialisable": 1},
        )
    )
    document = stage.emulator.ended(endpoint, raised)
    assert document["status"] == "FAILED"
    error = json.loads(document["error"])
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "oh no")
    assert "official_worker.py" in error["error_traceback"]
    assert error["hostname"] == error["worker_id"] == document["workerId"]
    document = stage.emulator.ended(endpoint, told)
    assert (document["status"], document["error"]) == ("FAILED", "told")
    assert document["output"] == {"rest": 1}
    document = stage.emulator.ended(endpoint, lost)
    assert document["status"] == "FAILED"
    assert "without a result" in document["error"]


def an_async_handler_is_cancelled(stage: Stage) -> None:
    endpoint = stage.create("async")
    mark = stage.folder / "mark"
    job = stage.submit(endpoint, {"sleep": 600, "mark": str(mark)})
    until(mark.with_suffix(".begun").exists, bool)
    worker = stage.emulator.status(endpoint, job)["workerId"]
    assert stage.cancel(endpoint, job) == {"id": job, "status": "CANCELLED"}
    until(mark.with_suffix(".stopped").exists, bool)
    # It gave the job up, so that it may stay.
    document = stage.run(endpoint, {"value": 2})
    assert (document["output"]["value"], document["workerId"]) == (2, worker)
    assert stage.emulator.status(endpoint, job)["status"] == "CANCELLED"


def a_job_that_ends_early_leaves_the_workers_others_alone(stage: Stage) -> None:
    endpoint = stage.create("several", timeout=1500)
    patient = {"executionTimeout": 600_000}
    marks = {name: stage.folder / name for name in ("long", "cancelled", "overdue")}
    finish = stage.folder / "finish"
    long = stage.submit(
        endpoint, {"until": str(finish), "value": 1, "mark": str(marks["long"])}, policy=patient
    )
    cancelled = stage.submit(
        endpoint, {"sleep": 600, "mark": str(marks["cancelled"])}, policy=patient
    )
    for name in ("long", "cancelled"):
        until(marks[name].with_suffix(".begun").exists, bool)
    overdue = stage.submit(endpoint, {"sleep": 600, "mark": str(marks["overdue"])})
    stage.cancel(endpoint, cancelled)
    until(marks["cancelled"].with_suffix(".stopped").exists, bool)
    assert stage.emulator.ended(endpoint, overdue)["status"] == "TIMED_OUT"
    begun, stopped = (marks["overdue"].with_suffix(each) for each in (".begun", ".stopped"))
    until(lambda: stopped.exists() or not begun.exists(), bool)
    finish.touch()
    document = stage.emulator.ended(endpoint, long)
    assert (document["status"], document["output"]["value"]) == ("COMPLETED", 1)
    again = stage.run(endpoint, {"value": 2})
    assert again["workerId"] == document["workerId"]


def a_blocking_handler_is_replaced_when_its_job_is_cancelled(stage: Stage) -> None:
    """On an emulator of its own, which does not wait for long."""
    with serving_timed(stage.project, cancel_grace=0.5) as emulator:
        hasty = Stage(emulator, stage.project, stage.folder)
        endpoint = hasty.create("sync")
        job = hasty.submit(endpoint, {"sleep": 600})
        worker = emulator.running(endpoint, job)["workerId"]
        hasty.cancel(endpoint, job)
        document = hasty.run(endpoint, {"return": 1})
    assert document["status"] == "COMPLETED"
    assert document["workerId"] != worker


Streamed = tuple[list[Any], dict[str, Any]]


def generators(stage: Stage) -> dict[str, list[Streamed]]:
    """For each kind, what three jobs streamed, and their documents."""
    todo = ({"count": 3}, {"count": 2, "raise": "oh no"}, {"count": 1, "error": "told"})
    endpoints = {kind: stage.create(kind) for kind in GENERATORS}
    jobs = {
        kind: [stage.submit(endpoint, each) for each in todo]
        for kind, endpoint in endpoints.items()
    }
    return {
        kind: [streamed(stage.emulator, endpoints[kind], job) for job in jobs[kind]]
        for kind in GENERATORS
    }


def streamed(emulator: Emulator, endpoint: str, job: str) -> Streamed:
    document = emulator.ended(endpoint, job)
    stream = emulator.queue.get(f"/{endpoint}/stream/{job}").json()["stream"]
    return [item["output"] for item in stream], document


def a_concurrency_modifier_takes_batches(stage: Stage) -> None:
    endpoint = stage.create("concurrent")
    alone = stage.run(endpoint, {"jobs": 1})
    jobs = [stage.submit(endpoint, {"jobs": 5}) for _ in range(4)]
    documents = [stage.emulator.ended(endpoint, job) for job in jobs]
    assert [document.get("output") for document in documents] == [alone["output"]] * 4


def refresh_worker_replaces_it_after_each_job(stage: Stage) -> None:
    endpoint = stage.create("refresh")
    first, second = (stage.run(endpoint, {"about": 1}) for _ in range(2))
    assert first["status"] == second["status"] == "COMPLETED"
    assert first["workerId"] != second["workerId"]
    until(lambda: is_alive(first["output"]["pid"]), lambda alive: not alive)


def progress_updates(stage: Stage) -> None:
    endpoint = stage.create("progress")
    steps = [("half", stage.folder / "one"), ({"way": 2}, stage.folder / "two")]
    job = stage.submit(
        endpoint, {"steps": [step for step, _ in steps], "until": [str(file) for _, file in steps]}
    )
    for step, file in steps:
        until(lambda: stage.emulator.status(endpoint, job).get("output"), partial(eq, step))
        file.touch()
    document = stage.emulator.ended(endpoint, job)
    assert (document["status"], document["output"]) == ("COMPLETED", "finished")
    assert stage.emulator.status(endpoint, job) == document
    # Updates travel on threads of their own, and may come after the result.
    late = stage.submit(endpoint, {"steps": list(range(20))})
    document = stage.emulator.ended(endpoint, late)
    assert document["output"] == "finished"
    stage.run(endpoint, {"steps": []})
    assert stage.emulator.status(endpoint, late) == document


def sigterm_lets_a_worker_finish_its_job(stage: Stage) -> None:
    endpoint = stage.create("async")
    mark, finish = stage.folder / "mark", stage.folder / "finish"
    pid = stage.run(endpoint, {"value": 0})["output"]["pid"]
    job = stage.submit(endpoint, {"value": 1, "mark": str(mark), "until": str(finish)})
    until(mark.with_suffix(".begun").exists, bool)
    os.kill(pid, signal.SIGTERM)
    finish.touch()
    document = stage.emulator.ended(endpoint, job)
    assert document["status"] == "COMPLETED"
    assert document["output"] == {"value": 1, "pid": pid}


def an_idle_worker_ends_in_order_when_its_endpoint_changes(stage: Stage) -> None:
    mark = stage.folder / "ended"
    endpoint = stage.create("echo", env={"MARK_END": str(mark)})
    seen = stage.run(endpoint, {"about": 1})["output"]
    stage.emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {}})
    until(lambda: is_alive(seen["pid"]), lambda alive: not alive)
    assert mark.exists()


def a_failed_fitness_check_fails_the_jobs_with_its_reason(stage: Stage) -> None:
    endpoint = stage.create("echo", env={"UNFIT": "the weights are gone"})
    document = stage.run(endpoint, {"return": 1})
    assert document["status"] == "FAILED"
    assert "reported itself unhealthy" in document["error"]
    assert "the weights are gone" in document["error"]


def a_worker_that_dies_fails_its_job_with_its_last_words(stage: Stage) -> None:
    endpoint = stage.create("async")
    mark = stage.folder / "mark"
    pid = stage.run(endpoint, {"value": 0})["output"]["pid"]
    job = stage.submit(endpoint, {"sleep": 600, "mark": str(mark)})
    until(mark.with_suffix(".begun").exists, bool)
    os.kill(pid, signal.SIGKILL)
    document = stage.emulator.ended(endpoint, job)
    assert document["status"] == "FAILED"
    assert "was killed by SIGKILL" in document["error"]
    assert "Handling Job" in document["error"]


def the_endpoints_timeout_replaces_a_worker(stage: Stage) -> dict[str, Any]:
    endpoint = stage.create("sync", timeout=300)
    return stage.run(endpoint, {"sleep": 600})


SCENES = (
    progress_updates,
    a_job_that_ends_early_leaves_the_workers_others_alone,
    generators,
    refresh_worker_replaces_it_after_each_job,
    a_blocking_handler_is_replaced_when_its_job_is_cancelled,
    a_sync_handler_and_what_it_sees,
    results_that_fail_a_job,
    an_async_handler_is_cancelled,
    a_concurrency_modifier_takes_batches,
    sigterm_lets_a_worker_finish_its_job,
    an_idle_worker_ends_in_order_when_its_endpoint_changes,
    a_failed_fitness_check_fails_the_jobs_with_its_reason,
    a_worker_that_dies_fails_its_job_with_its_last_words,
    the_endpoints_timeout_replaces_a_worker,
)


@pytest.fixture(scope="module")
def scenes(
    platform: Emulator,
    project: Path,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scenes[Stage]]:
    def stage(name: str) -> Stage:
        return Stage(platform, project, tmp_path_factory.mktemp(name))

    with playing(SCENES, stage, request.session) as begun:
        yield begun


def test_a_sync_handler_and_what_it_sees(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_sync_handler_and_what_it_sees)


def test_results_that_fail_a_job(scenes: Scenes[Stage]) -> None:
    scenes.outcome(results_that_fail_a_job)


def test_an_async_handler_is_cancelled(scenes: Scenes[Stage]) -> None:
    scenes.outcome(an_async_handler_is_cancelled)


def test_a_job_that_ends_early_leaves_the_workers_others_alone(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_job_that_ends_early_leaves_the_workers_others_alone)


def test_a_blocking_handler_is_replaced_when_its_job_is_cancelled(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_blocking_handler_is_replaced_when_its_job_is_cancelled)


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators(scenes: Scenes[Stage], kind: str) -> None:
    three = [{"number": number} for number in range(3)]
    whole, raising, failing = scenes.outcome(generators)[kind]
    items, document = whole
    assert items == three
    assert document["status"] == "COMPLETED"
    assert document["output"] == (three if kind == "aggregate" else [])
    items, document = raising
    assert items == three[:2]
    assert document["status"] == "FAILED"
    assert document["error"].startswith("handler: oh no")
    items, document = failing
    assert items == three[:1]
    assert (document["status"], document["error"]) == ("FAILED", "told")


def test_a_concurrency_modifier_takes_batches(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_concurrency_modifier_takes_batches)


def test_refresh_worker_replaces_it_after_each_job(scenes: Scenes[Stage]) -> None:
    scenes.outcome(refresh_worker_replaces_it_after_each_job)


def test_progress_updates(scenes: Scenes[Stage]) -> None:
    scenes.outcome(progress_updates)


def test_sigterm_lets_a_worker_finish_its_job(scenes: Scenes[Stage]) -> None:
    scenes.outcome(sigterm_lets_a_worker_finish_its_job)


def test_an_idle_worker_ends_in_order_when_its_endpoint_changes(scenes: Scenes[Stage]) -> None:
    scenes.outcome(an_idle_worker_ends_in_order_when_its_endpoint_changes)


def test_a_failed_fitness_check_fails_the_jobs_with_its_reason(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_failed_fitness_check_fails_the_jobs_with_its_reason)


def test_a_worker_that_dies_fails_its_job_with_its_last_words(scenes: Scenes[Stage]) -> None:
    scenes.outcome(a_worker_that_dies_fails_its_job_with_its_last_words)


def test_the_endpoints_timeout_replaces_a_worker(scenes: Scenes[Stage], client: Client) -> None:
    document = scenes.outcome(the_endpoints_timeout_replaces_a_worker)
    assert document["status"] == "TIMED_OUT"
    assert document["executionTime"] >= 300
    assert client("strict_job", document)["workerId"]
