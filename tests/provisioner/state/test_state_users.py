"""Living sessions: real processes, alive, ended, unreaped, and ids used again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pytest_flash.provisioner.state.live_sessions import is_alive
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.session_processes import (
    User,
    start_by_ps,
    start_by_signal,
    start_in_proc,
    start_of,
    this_place,
)
from pytest_flash.provisioner.state.store import State
from tests.support.system.processes import wait_until

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
sources = pytest.mark.parametrize(
    "source",
    [
        pytest.param(start_in_proc, marks=needs_proc),
        pytest.param(start_by_ps, marks=needs_ps),
        start_by_signal,
        start_of,
    ],
)
Source = Callable[[int], "str | None"]


class Other:
    """Another process, as a user."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE
        )
        self.user = User(self.process.pid, start_of(self.process.pid) or "", this_place())

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@pytest.fixture
def other() -> Iterator[Other]:
    process = Other()
    yield process
    process.end()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ".runpod", on_notice=pytest.fail)


def alive(user: User) -> bool:
    """As far as is known in a folder without locks."""
    return is_alive(user, Path("/nowhere"))


def put(state: State, resource: str, *users: User, scope: Scope = SCOPE) -> None:
    with state.change() as draft:
        configuration = draft.configuration({"name": resource})
        record = CreatedEndpoint(resource, resource, "id", configuration, "/main.py", "test", users)
        draft.put(scope, record)


def leave(state: State, user: User) -> list[str]:
    with state.change() as draft:
        return [record.resource for record in draft.leave(SCOPE, user)]


def test_this_process_is_alive() -> None:
    assert User.current().pid == os.getpid()
    assert User.current() == User.current()
    assert alive(User.current())


def test_a_process_that_ended_is_not_alive(other: Other) -> None:
    assert alive(other.user)
    other.end()
    assert not alive(other.user)


def test_a_process_that_ended_and_is_not_reaped_is_not_alive(other: Other) -> None:
    other.process.kill()
    wait_until(lambda: not alive(other.user), 10, "the end of a killed process")
    assert other.process.returncode is None


def test_another_process_with_the_same_id_is_not_taken_for_it(other: Other) -> None:
    assert other.user.started
    assert not alive(replace(other.user, started="some other time"))


def test_a_user_whose_start_is_unknown_counts_by_its_id(other: Other) -> None:
    unknown = replace(other.user, started="")
    assert alive(unknown)
    other.end()
    assert not alive(unknown)


@sources
def test_every_source_knows_who_runs(source: Source, other: Other) -> None:
    assert source(os.getpid()) is not None
    assert source(other.process.pid) is not None
    other.end()
    assert source(other.process.pid) is None
    assert source(2**31 - 1) is None


@needs_proc
def test_the_start_in_proc_is_the_same_at_every_look_and_differs_between_processes(
    other: Other,
) -> None:
    assert start_in_proc(other.process.pid) == start_in_proc(other.process.pid)
    assert start_in_proc(other.process.pid) != start_in_proc(1)


@needs_ps
def test_the_start_by_ps_does_not_depend_on_time_zone_and_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start() -> datetime:
        found = start_by_ps(os.getpid())
        assert found
        return datetime.strptime(found, "%a %b %d %H:%M:%S %Y")

    before = start()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    # On Linux, ps adds up two clocks and may be off by a second; there /proc is asked instead.
    assert abs((start() - before).total_seconds()) <= 1


@needs_ps
def test_ps_does_not_take_a_zombie_for_a_process_that_runs(other: Other) -> None:
    other.process.kill()
    wait_until(lambda: start_by_ps(other.process.pid) is None, 10, "the end of a killed process")
    assert other.process.returncode is None


@pytest.mark.parametrize("pid", [0, -1])
def test_an_id_that_means_a_group_is_refused(pid: int) -> None:
    with pytest.raises(ValueError, match="not the id of a process"):
        User(pid, "")


def test_joining_names_a_user_once_and_forgets_those_that_ended(state: State, other: Other) -> None:
    me = User.current()
    put(state, "gpu", me, other.user)

    def join() -> CreatedEndpoint:
        with state.change() as draft:
            record = draft.record(SCOPE, "gpu")
            assert record is not None
            return draft.join(SCOPE, record, me)

    assert join().users == (other.user, me)
    other.end()
    assert join().users == (me,)
    assert state.read().living(join()) == (me,)


def test_the_last_living_user_is_told_what_nobody_uses(state: State, other: Other) -> None:
    me = User.current()
    put(state, "mine", me)
    put(state, "shared", me, other.user)
    put(state, "theirs", other.user)
    put(state, "nobodys")

    assert leave(state, me) == ["mine", "nobodys"]
    assert leave(state, other.user) == ["mine", "nobodys", "shared", "theirs"]


def test_a_killed_user_does_not_hold_what_it_used(state: State, other: Other) -> None:
    me = User.current()
    put(state, "shared", me, other.user)
    put(state, "theirs", other.user)
    other.end()
    assert leave(state, me) == ["shared", "theirs"]
    assert all(record.users == () for record in state.read().records(SCOPE))


def test_leaving_touches_no_other_scope(state: State) -> None:
    me = User.current()
    elsewhere = replace(SCOPE, project="blog")
    put(state, "gpu", me, scope=elsewhere)
    before = state.read().records(elsewhere)
    assert leave(state, me) == []
    assert state.read().records(elsewhere) == before
