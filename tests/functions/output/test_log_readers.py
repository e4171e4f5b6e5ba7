"""How the logs of workers are asked for: seldom, on Runpod, and never to the harm of a call."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pytest_flash.backoff import Backoff
from pytest_flash.events import Event, Notice
from pytest_flash.functions.onworker.log_marks import Piece, marked
from pytest_flash.functions.onworker.signing import Signer
from pytest_flash.functions.output.job_output import JobListener
from pytest_flash.functions.output.log_readers import JobLogs, LogPolling
from pytest_flash.functions.protocol.function_messages import CapturedOutput
from pytest_flash.runpod import JobState, JobStatus, LogClient
from tests.runpod.scripted import (
    Exchange,
    Request,
    ScriptedServer,
    refuses,
    reset_midway,
    says,
    scripted,
)
from tests.runpod.test_logs import events, workers
from tests.support.system.processes import wait_until

R, R1, R2 = "0000000a", "0000000b", "0000000c"
# As on Runpod, but quick.
QUICK = LogPolling(0.3, lookup=Backoff(0.2, 0.4), reopen=Backoff(0.05, 0.4), streams=4)


def signer(call: str) -> Signer:
    return Signer(call.encode())


@dataclass
class Platform:
    """A server with workers and their logs; ``lines`` of those end their streams."""

    server: ScriptedServer
    running: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    refusal: Callable[[Exchange], None] | None = None
    reported: list[Event] = field(default_factory=list)

    def answer(self, exchange: Exchange) -> None:
        path = exchange.request_read.path
        if self.refusal is not None:
            self.refusal(exchange)
        elif path.endswith("/workers"):
            workers(**self.running)(exchange)
        else:
            worker = path.split("/workers/")[1].partition("/")[0]
            says(events(*self.lines.pop(worker, [])), kind="text/event-stream")(exchange)

    def prints(self, worker: str, call: str, piece: Piece) -> None:
        for number, line in enumerate(marked(piece, signer(call))):
            self.says(worker, f"t{piece.at}/{number}", line.decode().rstrip("\n"))

    def says(self, worker: str, entry: str, line: str) -> None:
        self.lines.setdefault(worker, []).append((entry, line))

    def requests(self, kind: str) -> list[Request]:
        return [each for each in self.server.requests if each.path.partition("?")[0].endswith(kind)]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with scripted() as server:
        platform = Platform(server)
        server.always = platform.answer
        yield platform


@contextlib.contextmanager
def listeners(platform: Platform, manners: LogPolling = QUICK) -> Iterator[JobLogs]:
    made = JobLogs(LogClient(platform.server.embedded), platform.reported.append, manners)
    try:
        yield made
    finally:
        made.close()


class Job:
    """A job that listens."""

    def __init__(self, listeners: JobLogs, name: str = "call1") -> None:
        self.said: list[str] = []
        self.workers: set[str | None] = set()
        self.listening = JobListener(listeners, "ep0", signer(name), self._hear)

    def _hear(self, text: str, worker: str | None) -> None:
        self.said.append(text)
        self.workers.add(worker)

    def waits_for(self, *lines: str) -> None:
        wait_until(lambda: self.said == [*lines], 10, f"{lines}")


def running(worker: str) -> JobStatus:
    return JobStatus("job1", JobState.IN_PROGRESS, worker_id=worker)


def test_a_job_without_a_worker_is_found_by_its_mark(platform: Platform) -> None:
    platform.running = {"w1": "RUNNING", "w2": "IDLE", "w3": "RUNNING"}
    platform.prints("w1", "other", Piece(R, 0, "not ours\n"))
    platform.prints("w3", "call1", Piece(R, 0, "one\ntwo\nbegun"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek()
        job.waits_for("one\n", "two\n")
        assert job.workers == {"w3"}
        assert job.listening.text == "one\ntwo\nbegun"
        assert job.listening.rest(CapturedOutput("one\ntwo\nbegun\nlast", R)) == "begun\nlast"
        assert job.said == ["one\n", "two\n"]
    assert not platform.requests("w2/logs")


def test_a_worker_that_is_known_is_not_looked_for(platform: Platform) -> None:
    platform.prints("w1", "call1", Piece(R, 0, "one\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("one\n")
    assert not platform.requests("/workers")


def test_a_stream_that_breaks_off_goes_on_behind_its_last_line(platform: Platform) -> None:
    platform.prints("w1", "call1", Piece(R, 0, "one\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("one\n")
        platform.refusal = reset_midway
        wait_until(lambda: len(platform.requests("/logs")) > 3, 10, "more tries")
        platform.prints("w1", "call1", Piece(R, 4, "two\n"))
        platform.refusal = None
        job.waits_for("one\n", "two\n")
    first, second, *_ = platform.requests("/logs")
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "t0/0"


def test_lines_that_come_twice_are_reported_once(platform: Platform) -> None:
    for text in ("same\n", "same\n"):
        platform.prints("w1", "call1", Piece(R, 0, text))
    platform.prints("w1", "call1", Piece(R, 5, "same\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("same\n", "same\n")
        assert job.listening.rest(CapturedOutput("same\nsame\nsame\n", R)) == "same\n"


def test_lines_that_look_like_ours_end_no_stream(platform: Platform) -> None:
    name = signer("call1").name
    for number, line in enumerate(
        (
            f"[flash 0.0 {'9' * 5000}+4] fake",
            f"[flash {name}.{R} {'9' * 5000}+4 {'0' * 32}] fake",
            f"[flash {name}.{R} 0+5 {'0' * 32}] fake",
            f"[flash {name}.{R} 0+5 {'é' * 32}] \x00\x85",
            "[flash " * 9000,
        )
    ):
        platform.says("w1", f"t{number}", line)
    platform.prints("w1", "call1", Piece(R, 0, "one\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("one\n")
        assert job.listening.rest(CapturedOutput("one\n", R)) == ""
    assert len(platform.requests("/logs")) == 1


def test_a_gap_is_filled_at_the_end(platform: Platform) -> None:
    platform.prints("w1", "call1", Piece(R, 0, "one\n"))
    platform.prints("w1", "call1", Piece(R, 8, "three\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("one\n", "three\n")
        assert job.listening.rest(CapturedOutput("one\ntwo\nthree\n", R)) == "two\n"


def test_a_second_run_of_a_job_is_reported_again(platform: Platform) -> None:
    platform.prints("w1", "call1", Piece(R1, 0, "one\n"))
    platform.prints("w1", "call1", Piece(R2, 0, "one\n"))
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        job.waits_for("one\n", "one\n")
        assert job.listening.rest(CapturedOutput("one\ntwo\n", R2)) == "two\n"


def test_output_left_out_by_a_worker_is_noted_where_it_was_not_read(platform: Platform) -> None:
    platform.prints("w1", "call1", Piece(R, 0, "0123456789\n"))
    with listeners(platform) as made:
        job, deaf = Job(made), Job(made, "call2")
        job.listening.seek("w1")
        job.waits_for("0123456789\n")
        last = CapturedOutput("[…]6789\nend\n", R, left_out=6)
        assert job.listening.rest(last) == "end\n"
        assert deaf.listening.rest(last) == "[…]6789\nend\n"


def test_jobs_of_one_worker_share_a_stream(platform: Platform) -> None:
    for number in range(20):
        platform.prints("w1", f"call{number}", Piece(R, 0, f"{number}\n"))
    with listeners(platform, LogPolling(9, Backoff(9, 9), Backoff(9, 9), streams=4)) as made:
        jobs = [Job(made, f"call{number}") for number in range(20)]
        for job in jobs:
            job.listening.seek("w1")
        for number, job in enumerate(jobs):
            job.waits_for(f"{number}\n")
            job.listening.rest(CapturedOutput(f"{number}\n", R))
        # One that comes a little later needs no further request.
        late = Job(made, "late")
        late.listening.update(running("w1"))
    assert len(platform.server.requests) == 1


def test_streams_that_are_not_needed_are_closed(platform: Platform) -> None:
    with listeners(platform) as made:
        job = Job(made)
        job.listening.seek("w1")
        wait_until(lambda: len(platform.requests("/logs")) > 2, 10, "a stream")
        job.listening.stop()
        wait_until(lambda: not made._endpoints, 10, "its end")
        asked = len(platform.server.requests)
        threading.Event().wait(1)
        assert len(platform.server.requests) == asked


def test_a_key_that_may_not_read_logs_is_reported_once(platform: Platform) -> None:
    platform.refusal = refuses(403, "access denied")
    with listeners(platform) as made:
        Job(made, "call1").listening.seek()
        wait_until(lambda: platform.reported, 10, "the notice")
        Job(made, "call2").listening.seek()
        job = Job(made, "call3")
        job.listening.seek("w1")
        threading.Event().wait(0.5)
        assert len(platform.server.requests) == 1
        assert job.listening.rest(CapturedOutput("all of it\n", R)) == "all of it\n"
    (notice,) = platform.reported
    assert isinstance(notice, Notice)
    assert "access denied" in notice.text


@pytest.mark.parametrize("status", [404, 429, 500])
def test_other_refusals_are_waited_out_and_given_up_in_the_end(
    platform: Platform, status: int
) -> None:
    platform.refusal = refuses(status)
    with listeners(
        platform, LogPolling(30, Backoff(30, 30), Backoff(0.01, 0.02), streams=4)
    ) as made:
        job = Job(made)
        job.listening.seek("w1")
        wait_until(lambda: len(platform.requests("/logs")) == 8, 10, "the last try")
        threading.Event().wait(0.5)
        assert len(platform.server.requests) == 8
    assert platform.reported == []


def test_a_job_that_waits_in_the_queue_asks_for_nothing(platform: Platform) -> None:
    with listeners(platform) as made:
        job = Job(made)
        job.listening.update(JobStatus("job1", JobState.IN_QUEUE))
        job.listening.stop()
        assert not platform.server.requests
        job.listening.seek()
        wait_until(lambda: platform.requests("/workers"), 10, "a look")
        job.listening.update(JobStatus("job1", JobState.IN_QUEUE))
        wait_until(lambda: not made._endpoints, 10, "nothing under way")


def test_where_nobody_runs_workers_are_looked_up_less_and_less(platform: Platform) -> None:
    with listeners(platform, LogPolling(5, Backoff(0.05, 60), Backoff(1, 1), streams=4)) as made:
        Job(made).listening.seek()
        threading.Event().wait(1.5)
        # After 0, 0.1, 0.3, 0.7 s and so on.
        assert 2 <= len(platform.requests("/workers")) <= 6
