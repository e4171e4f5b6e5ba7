"""The queue plane, on real workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.emulator.harness import Emulator, until


def test_runsync_returns_the_finished_job(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(), do="echo", value={"a": [1, None, "ü"]})
    assert document["status"] == "COMPLETED"
    assert document["output"] == {"a": [1, None, "ü"]}
    assert document["id"].startswith("sync-")
    assert isinstance(document["delayTime"], int)
    assert isinstance(document["executionTime"], int)
    assert document["workerId"]


def test_run_returns_at_once_and_status_follows(emulator: Emulator) -> None:
    endpoint = emulator.create()
    answer = emulator.queue.post(f"/{endpoint}/run", json={"input": {"do": "sleep", "seconds": 9}})
    assert answer.json()["status"] == "IN_QUEUE"
    job = answer.json()["id"]
    document = emulator.running(endpoint, job)
    assert document["workerId"]
    assert "delayTime" in document
    assert "executionTime" not in document


def test_runsync_answers_with_an_unfinished_job_after_its_wait(emulator: Emulator) -> None:
    endpoint = emulator.create()
    began = time.monotonic()
    answer = emulator.queue.post(
        f"/{endpoint}/runsync?wait=1000", json={"input": {"do": "sleep", "seconds": 30}}
    ).json()
    assert 0.9 < time.monotonic() - began < 20
    assert answer["status"] == "IN_PROGRESS"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"output": 1, "error": "boom"}, "FAILED", "boom"),
        ({"error": "boom"}, "FAILED", "boom"),
        ({"error": {"a": 1}}, "FAILED", '{"a": 1}'),
        ({"output": 1, "error": ""}, "COMPLETED", None),
        ({"output": None}, "COMPLETED", None),
        ({}, "COMPLETED", None),
    ],
)
def test_a_truthy_error_fails_the_job(
    emulator: Emulator, body: dict[str, Any], status: str, error: str | None
) -> None:
    document = emulator.call(emulator.create(), do="body", body=body)
    assert document["status"] == status
    assert document.get("error") == error
    assert document.get("output", "absent") == body.get("output", "absent")


def test_a_result_that_is_not_json_fails_the_job(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(), do="raw", text='{"output": NaN}')
    assert document["status"] == "FAILED"
    assert "NaN is not JSON" in document["error"]


def test_a_result_that_is_too_large_fails_the_job(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(), do="big", size=20_000_001)
    assert document["status"] == "FAILED"
    assert "20 MB" in document["error"]


def test_the_first_result_counts(emulator: Emulator) -> None:
    endpoint = emulator.create()
    document = emulator.call(endpoint, do="twice")
    assert document["output"] == "first"
    assert emulator.status(endpoint, document["id"]) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"input"',
        b"{}",
        b'{"input": null}',
        b'{"input": {"a": NaN}}',
        b'{"input": {"a": 1}, "policy": 3}',
        b'{"input": {"a": 1}, "policy": {"executionTimeout": 4999}}',
        b'{"input": {"a": 1}, "policy": {"executionTimeout": "x"}}',
        b'{"input": {"a": 1}, "policy": {"ttl": 604800001}}',
        b'{"input": {"a": 1}, "policy": {"ttl": true}}',
        b'{"input": {"a": 1}, "policy": {"ttl": 1e999}}',
        b'{"input": {"a": 1}, "policy": {"ttl": 20000.5}}',
        b'{"input": {"a": 1}, "policy": {"ttl": "20000"}}',
        b'{"input": {"a": 1}, "policy": {"executionTimeout": -1e999}}',
        b'{"input": {"a": 1}, "policy": {"executionTimeout": 1%s}}' % (b"0" * 4000),
        b'{"input": {"a": 1e999}}',
        b'{"input": {"a": 1}, "webhook": "http://example.com/"}',
        b'{"input": {"a": 1}, "webhook": "ftp://localhost/"}',
        b'{"input": {"a": 1}, "webhook": "http://[::1"}',
        b'{"input": {"a": 1}, "webhook": "http://localhost@example.com/"}',
        b'{"input": {"a": 1}, "webhook": "http://localhost:99999/"}',
        b'{"input": {"a": 1}, "webhook": "http://localhost/\\u0000"}',
        b'{"input": {"a": 1}, "webhook": 3}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:64].decode(),
)
@pytest.mark.parametrize("operation", ["run", "runsync"])
def test_bad_requests_are_refused_with_a_reason(
    emulator: Emulator, body: bytes, operation: str
) -> None:
    endpoint = emulator.create()
    answer = emulator.queue.post(f"/{endpoint}/{operation}", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["inQueue"] == 0


def test_an_endpoint_may_allow_any_time(emulator: Emulator) -> None:
    document = emulator.call(emulator.create(timeout=10**400), do="echo", value=1)
    assert document["status"] == "COMPLETED"


@pytest.mark.parametrize("wait", ["0", "999", "300001", "soon", "inf", "1e999", "2000.5"])
def test_a_wait_out_of_range_is_refused(emulator: Emulator, wait: str) -> None:
    answer = emulator.queue.post(
        f"/{emulator.create()}/runsync?wait={wait}", json={"input": {"a": 1}}
    )
    assert answer.status_code == 400
    assert "300000" in answer.json()["error"]


@pytest.mark.parametrize(("operation", "limit"), [("run", 10_000_000), ("runsync", 20_000_000)])
def test_payloads_have_a_limit(emulator: Emulator, operation: str, limit: int) -> None:
    endpoint = emulator.create()
    frame = b'{"input": {"do": "echo", "value": 1, "pad": "%s"}}'
    full = frame % (b"x" * (limit - len(frame) + 2))
    assert len(full) == limit
    assert emulator.queue.post(f"/{endpoint}/{operation}", content=full).status_code == 200
    for content in (full + b" ", iter([full, b" "])):  # with a Content-Length, and without
        answer = emulator.queue.post(f"/{endpoint}/{operation}", content=content)
        assert answer.status_code == 400
        assert f"{limit // 1_000_000} MB" in answer.json()["error"]


def test_unknown_endpoints_and_jobs_are_not_found(emulator: Emulator) -> None:
    endpoint = emulator.create()
    for answer in (
        emulator.queue.post("/nothing/run", json={"input": {"a": 1}}),
        emulator.queue.get("/nothing/health"),
        emulator.queue.get(f"/{endpoint}/status/nothing"),
        emulator.queue.post(f"/{endpoint}/cancel/nothing"),
        emulator.queue.post(f"/{endpoint}/retry/nothing"),
        emulator.queue.get(f"/{endpoint}/nothing"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]


def test_an_endpoint_does_not_know_anothers_jobs(emulator: Emulator) -> None:
    one, other = emulator.create(), emulator.create()
    job = emulator.run(one, do="echo", value=1)
    assert emulator.queue.get(f"/{other}/status/{job}").status_code == 404


def test_a_queued_job_is_cancelled(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 0})
    job = emulator.run(endpoint, do="pid")
    answer = emulator.queue.post(f"/{endpoint}/cancel/{job}")
    assert answer.json() == {"id": job, "status": "CANCELLED"}
    document = emulator.status(endpoint, job)
    assert (document["status"], document["workerId"]) == ("CANCELLED", "")


def test_cancelling_a_finished_job_leaves_it_as_it_is(emulator: Emulator) -> None:
    endpoint = emulator.create()
    document = emulator.call(endpoint, do="echo", value=1)
    answer = emulator.queue.post(f"/{endpoint}/cancel/{document['id']}")
    assert answer.json() == {"id": document["id"], "status": "COMPLETED"}
    assert emulator.status(endpoint, document["id"]) == document


def test_purging_the_queue_cancels_what_waits(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    running = emulator.run(endpoint, do="sleep", seconds=30)
    emulator.running(endpoint, running)
    waiting = [emulator.run(endpoint, do="pid") for _ in range(3)]
    answer = emulator.queue.post(f"/{endpoint}/purge-queue")
    assert answer.json() == {"removed": 3, "status": "completed"}
    assert {emulator.status(endpoint, job)["status"] for job in waiting} == {"CANCELLED"}
    assert emulator.status(endpoint, running)["status"] == "IN_PROGRESS"


def test_a_failed_job_is_retried_under_its_id(emulator: Emulator) -> None:
    endpoint = emulator.create()
    job = emulator.call(endpoint, do="body", body={"error": "boom"})["id"]
    answer = emulator.queue.post(f"/{endpoint}/retry/{job}")
    assert answer.json() == {"id": job, "status": "IN_QUEUE"}
    assert emulator.ended(endpoint, job)["status"] == "FAILED"
    assert emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["retried"] == 1
    done = emulator.call(endpoint, do="pid")["id"]
    assert emulator.queue.post(f"/{endpoint}/retry/{done}").status_code == 400


def test_a_retried_job_does_not_die_with_its_first_worker(emulator: Emulator) -> None:
    endpoint = emulator.create(timeout=200, workers={"max": 1})
    job = emulator.call(endpoint, do="sleep", seconds=30)
    for _ in range(3):
        assert job["status"] == "TIMED_OUT"
        emulator.queue.post(f"/{endpoint}/retry/{job['id']}")
        first, job = job["workerId"], emulator.ended(endpoint, job["id"])
        assert job["workerId"] != first


def test_health_counts_jobs_and_workers(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    emulator.call(endpoint, do="pid")
    emulator.call(endpoint, do="body", body={"error": "boom"})
    emulator.running(endpoint, emulator.run(endpoint, do="sleep", seconds=30))
    emulator.run(endpoint, do="pid")
    assert emulator.queue.get(f"/{endpoint}/health").json() == {
        "jobs": {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 1, "retried": 0},
        "workers": {
            "idle": 0,
            "initializing": 0,
            "ready": 0,
            "running": 1,
            "throttled": 0,
            "unhealthy": 0,
        },
    }


def test_the_endpoints_timeout_ends_a_job_and_its_worker(emulator: Emulator) -> None:
    endpoint = emulator.create(timeout=300, workers={"max": 1})
    began = time.monotonic()
    document = emulator.call(endpoint, do="sleep", seconds=60)
    assert time.monotonic() - began < 30
    assert document["status"] == "TIMED_OUT"
    assert "0.3 s" in document["error"]
    assert document["executionTime"] >= 300
    after = emulator.call(endpoint, do="pid")
    assert after["status"] == "COMPLETED"
    assert after["workerId"] != document["workerId"]


def test_a_request_can_ask_for_more_time_than_its_endpoint(emulator: Emulator) -> None:
    endpoint = emulator.create(timeout=200)
    answer = emulator.queue.post(
        f"/{endpoint}/runsync",
        json={
            "input": {"do": "sleep", "seconds": 0.6},
            "policy": {"executionTimeout": 5000, "ttl": 10000},
        },
    )
    assert answer.json()["output"] == "slept"


def test_progress_shows_while_the_job_runs(emulator: Emulator) -> None:
    endpoint = emulator.create()
    job = emulator.run(endpoint, do="progress", steps=[1, 2], seconds=0.5)
    until(lambda: emulator.status(endpoint, job), lambda document: document.get("output") == 2)
    assert emulator.ended(endpoint, job)["output"] == "done"


def test_a_stream_is_handed_out_once(emulator: Emulator) -> None:
    endpoint = emulator.create()
    job = emulator.call(endpoint, do="stream", items=["a", {"b": 1}])["id"]
    assert emulator.queue.get(f"/{endpoint}/stream/{job}").json() == {
        "id": job,
        "status": "COMPLETED",
        "stream": [{"output": "a"}, {"output": {"b": 1}}],
    }
    assert emulator.queue.get(f"/{endpoint}/stream/{job}").json()["stream"] == []


def test_asking_for_the_head_of_a_stream_takes_nothing_from_it(emulator: Emulator) -> None:
    endpoint = emulator.create()
    job = emulator.call(endpoint, do="stream", items=["a"])["id"]
    refused = emulator.queue.head(f"/{endpoint}/stream/{job}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    assert emulator.queue.get(f"/{endpoint}/stream/{job}").json()["stream"] == [{"output": "a"}]


def test_a_long_text_is_streamed_in_chunks_of_1_mb(emulator: Emulator) -> None:
    endpoint, text = emulator.create(), "ü😀a" * 300_000
    job = emulator.call(endpoint, do="stream", items=[text, "x" * 1_000_000, [text]])["id"]
    items = emulator.queue.get(f"/{endpoint}/stream/{job}").json()["stream"]
    chunks = [item["output"] for item in items]
    assert chunks[-2:] == ["x" * 1_000_000, [text]]  # what is no text cannot be split
    assert "".join(chunks[:-2]) == text
    assert [len(chunk.encode()) // 900_000 for chunk in chunks[:-2]] == [1, 1, 0]
    assert all(len(chunk.encode()) <= 1_000_000 for chunk in chunks[:-2])


def test_half_a_surrogate_pair_travels_as_json_can_name_it(emulator: Emulator) -> None:
    endpoint = emulator.create()
    body = b'{"input": {"do": "echo", "value": "\\ud800"}}'
    answer = emulator.queue.post(f"/{endpoint}/runsync", content=body)
    assert answer.json()["output"] == "\ud800"


def test_an_empty_input_is_taken_and_fails_as_no_worker_could_run_it(emulator: Emulator) -> None:
    endpoint = emulator.create()
    document = emulator.queue.post(f"/{endpoint}/runsync", json={"input": {}}).json()
    assert document["status"] == "FAILED"
    assert '{"__empty": true}' in document["error"]
    assert emulator.workers(endpoint) == []
    nested = emulator.create(workers={"max": 0})
    taken = emulator.queue.post(f"/{nested}/run", json={"input": {"input": {}}}).json()
    assert emulator.status(nested, taken["id"])["status"] == "IN_QUEUE"


def test_requests_lists_the_jobs_from_the_newest(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    first = emulator.call(endpoint, do="echo", value=1)
    last = emulator.running(endpoint, emulator.run(endpoint, do="sleep", seconds=30))
    listed = emulator.queue.get(f"/{endpoint}/requests").json()["requests"]
    assert [job["id"] for job in listed] == [last["id"], first["id"]]
    assert listed[1] == first


def test_metrics_names_the_workers_that_are_ready(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    document = emulator.call(endpoint, do="pid")
    assert emulator.queue.get(f"/{endpoint}/metrics").json() == {
        "readyWorkers": [document["workerId"]],
        "workers": {
            "idle": 1,
            "initializing": 0,
            "ready": 1,
            "running": 0,
            "throttled": 0,
            "unhealthy": 0,
        },
    }


def test_the_job_that_a_worker_sees(emulator: Emulator) -> None:
    extra = {"s3Config": {"bucketName": "b"}, "webhook": "http://localhost:9/"}
    body = {"input": {"do": "job"}, "other": 1, **extra}
    answer = emulator.queue.post(f"/{emulator.create()}/runsync", json=body).json()
    assert answer["output"] == {
        "id": answer["id"],
        "input": {"do": "job"},
        **extra,
    }


def test_deleting_an_endpoint_answers_those_who_wait(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(emulator.call, endpoint, do="sleep", seconds=30) for _ in range(2)]
        until(
            lambda: emulator.queue.get(f"/{endpoint}/health").json()["jobs"],
            lambda jobs: jobs["inProgress"] == jobs["inQueue"] == 1,
        )
        emulator.management.delete(f"/v2/serverless/{endpoint}")
        assert {call.result(5)["status"] for call in calls} == {"CANCELLED"}


def test_many_callers_get_their_own_answers(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 2})
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(
            lambda number: emulator.call(endpoint, do="echo", value=number)["output"], range(200)
        )
    assert list(answers) == list(range(200))
    jobs = emulator.queue.get(f"/{endpoint}/health").json()["jobs"]
    assert jobs == {"completed": 200, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}


def test_a_caller_that_goes_away_loses_nothing_for_others(emulator: Emulator) -> None:
    endpoint = emulator.create(workers={"max": 1})
    with pytest.raises(httpx.ReadTimeout):
        emulator.queue.post(
            f"/{endpoint}/runsync",
            json={"input": {"do": "sleep", "seconds": 0.5}},
            timeout=httpx.Timeout(5, read=0.2),
        )
    assert emulator.call(endpoint, do="echo", value=2)["output"] == 2
