"""Any history of jobs keeps what clients rely on."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pytest_flash.emulator.queue.jobs import JobQueue, QueuedJob
from pytest_flash.wire.job_state import JobState
from tests.emulator.queue.job_queue import Clock, document, job


class Histories(RuleBasedStateMachine):
    """Any history of one queue, checked after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.endings: list[tuple[str, JobState]] = []
        self.queue = JobQueue(self.clock, self._ended)
        self.jobs: list[QueuedJob] = []
        self.terminal: dict[str, JobState] = {}
        self.retried = 0

    def _ended(self, job: QueuedJob) -> None:
        assert job.state.is_terminal
        assert job.id not in self.terminal, "ended twice"
        self.terminal[job.id] = job.state
        self.endings.append((job.id, job.state))

    def _some(self, number: int) -> QueuedJob | None:
        return self.jobs[number % len(self.jobs)] if self.jobs else None

    @rule(timeout=st.floats(5, 50), ttl=st.floats(10, 200), low=st.booleans(), mine=st.booleans())
    def submit(self, timeout: float, ttl: float, low: bool, mine: bool) -> None:
        scope = "mine" if mine else None
        new = job(str(len(self.jobs)), timeout=timeout, ttl=ttl, low=low, scope=scope)
        self.queue.submit(new)
        self.jobs.append(new)

    @rule(worker=st.sampled_from("vw"))
    def take(self, worker: str) -> None:
        waiting = [each for each in self.jobs if each.state is JobState.IN_QUEUE]
        taken = self.queue.take(worker)
        assert (taken is None) == (not waiting)
        assert taken is None or taken in waiting

    @rule(number=st.integers(0, 99), worker=st.sampled_from("vw"), error=st.booleans())
    def finish(self, number: int, worker: str, error: bool) -> None:
        if one := self._some(number):
            runs = one.state is JobState.IN_PROGRESS and one.worker_id == worker
            assert self.queue.finish(one.id, worker, b"1", "boom" if error else None) == runs

    @rule(number=st.integers(0, 99))
    def put_back(self, number: int) -> None:
        if one := self._some(number):
            self.queue.put_back(one)

    @rule(number=st.integers(0, 99))
    def redeliver(self, number: int) -> None:
        if one := self._some(number):
            self.retried += one.state is JobState.IN_PROGRESS
            self.queue.redeliver(one)

    @rule(number=st.integers(0, 99))
    def cancel(self, number: int) -> None:
        if one := self._some(number):
            self.queue.cancel(one)

    @rule(number=st.integers(0, 99))
    def fail(self, number: int) -> None:
        if one := self._some(number):
            self.queue.fail(one, "worker died")

    @rule(number=st.integers(0, 99))
    def retry(self, number: int) -> None:
        if one := self._some(number):
            known = self.queue.get(one.id) is one
            state = one.state
            retried = self.queue.retry(one)
            assert retried == (known and state in (JobState.FAILED, JobState.TIMED_OUT))
            if retried:
                del self.terminal[one.id]
                self.retried += 1

    @rule(number=st.integers(0, 99), ttl=st.floats(10, 200))
    def extend(self, number: int, ttl: float) -> None:
        if one := self._some(number):
            self.queue.extend(one, ttl)

    @rule()
    def purge(self) -> None:
        waiting = sum(each.state is JobState.IN_QUEUE for each in self.jobs)
        assert self.queue.purge() == waiting

    @rule(seconds=st.floats(0, 40))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.queue.expire()
        due = self.queue.next_due()
        assert due is None or due > self.clock.now

    @rule(seconds=st.floats(0, 40))
    def advance(self, seconds: float) -> None:
        others = [each for each in self.jobs if each.scope is None]
        before = [(each.state, each.due_at()) for each in others]
        due = {each.id: each.due_at() - seconds for each in self.jobs if each.scope == "mine"}
        self.queue.advance("mine", seconds)
        assert [(each.state, each.due_at()) for each in others] == before
        for each in self.jobs:
            if each.id in due and due[each.id] <= self.clock.now:
                assert each.state.is_terminal

    @invariant()
    def terminal_states_stay(self) -> None:
        assert {
            each.id: each.state for each in self.jobs if each.state.is_terminal
        } == self.terminal

    @invariant()
    def counters_add_up(self) -> None:
        counts, states = self.queue.counts(), [each.state for each in self.jobs]
        assert counts.in_queue == states.count(JobState.IN_QUEUE)
        assert counts.in_progress == states.count(JobState.IN_PROGRESS)
        assert counts.completed == states.count(JobState.COMPLETED)
        assert counts.failed == states.count(JobState.FAILED)
        assert counts.cancelled == states.count(JobState.CANCELLED)
        assert counts.timed_out == states.count(JobState.TIMED_OUT)
        assert counts.retried == self.retried
        assert self.queue.has_waiting == bool(counts.in_queue)
        assert self.queue.pressing == sum(
            each.state is JobState.IN_QUEUE and not each.policy.low_priority for each in self.jobs
        )

    @invariant()
    def unfinished_jobs_are_known(self) -> None:
        for each in self.jobs:
            assert each.state.is_terminal or self.queue.get(each.id) is each

    @invariant()
    def documents_are_complete(self) -> None:
        for each in self.jobs:
            shown = document(each)
            assert shown["status"] == each.state.value
            if each.state.is_terminal:
                assert isinstance(shown["workerId"], str)
                assert shown["delayTime"] >= 0
                assert shown["executionTime"] >= 0


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
