"""Which sessions live: with and without locks, in containers, forked, copied, of older versions."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pytest_flash.provisioner.state.disk import make_private_folder
from pytest_flash.provisioner.state.live_sessions import (
    begin_session,
    is_alive,
    session_in,
    shares_locks,
    sweep,
)
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.session_processes import User, boot_id, this_place
from pytest_flash.provisioner.state.store import State
from tests.support.accounts.sessions import container
from tests.support.environment import ROOT, clean_environment
from tests.support.system.disk import small_disk
from tests.support.system.processes import wait_until

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")

# Prints its user; before, forks a child that outlives it, or that ends, where asked to.
SESSION = """
import json, multiprocessing, os, sys
from dataclasses import asdict
from pathlib import Path
from pytest_flash.provisioner.state.live_sessions import session_in

with session_in(Path(sys.argv[1])) as user:
    if "fork" in sys.argv and not os.fork():
        os.execvp("cat", ["cat"]) if "exec" in sys.argv else sys.stdin.read()
        os._exit(0)
    if "child" in sys.argv:
        child = multiprocessing.get_context("fork").Process(target=os.getpid)
        child.start()
        child.join()
    print(json.dumps(asdict(user)), flush=True)
    sys.stdin.readline()
"""
JUDGE = """
import json, sys
from pathlib import Path
from pytest_flash.provisioner.state.live_sessions import is_alive
from pytest_flash.provisioner.state.session_processes import User

print(is_alive(User(**json.loads(sys.argv[2])), Path(sys.argv[1])))
"""
SWEEPER = """
import sys
from pathlib import Path
from pytest_flash.provisioner.state.live_sessions import sweep

print("at work", flush=True)
while True:
    sweep(Path(sys.argv[1]), ())
"""


class Session:
    """A process that is a session of the state in ``folder``."""

    def __init__(self, folder: Path, *arguments: str, within: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", SESSION, str(folder), *arguments],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.user = User(**json.loads(self.process.stdout.readline()))

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Let it end by itself; or do nothing if it has."""
        if self.process.returncode is None:
            self.process.communicate("\n", timeout=30)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


Start = Callable[..., Session]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / ".runpod"
    make_private_folder(made)
    return made


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    running: list[Session] = []

    def run(*arguments: str, within: Sequence[str] = ()) -> Session:
        running.append(Session(folder, *arguments, within=within))
        return running[-1]

    yield run
    for each in running:
        each.end()


def judged_in_a_container(user: User, folder: Path) -> bool:
    done = subprocess.run(
        [*container(), sys.executable, "-c", JUDGE, str(folder), json.dumps(asdict(user))],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout.strip().lower()) is True


def elsewhere(user: User) -> User:
    """As it looks from another process namespace: its lock alone counts."""
    return replace(user, place=f"{boot_id()}/1")


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("session-*"))


def test_a_session_lives_as_long_as_its_process_here_and_elsewhere(
    start: Start, folder: Path
) -> None:
    session = start()
    if not session.user.lock:
        pytest.skip("the file system of the temporary folder is not known to share locks")
    for user in (session.user, elsewhere(session.user)):
        assert is_alive(user, folder)
    session.kill()
    for user in (session.user, elsewhere(session.user)):
        assert not is_alive(user, folder)


def test_a_session_in_a_container_is_seen_from_outside(start: Start, folder: Path) -> None:
    session = start(within=container())
    assert session.user.place != this_place()
    assert is_alive(session.user, folder)
    session.kill()
    wait_until(lambda: not is_alive(session.user, folder), 10, "the end of the session")


def test_a_session_outside_is_seen_from_a_container(start: Start, folder: Path) -> None:
    session = start()
    assert judged_in_a_container(session.user, folder)
    session.kill()
    assert not judged_in_a_container(session.user, folder)


@pytest.mark.parametrize("arguments", [["fork"], ["fork", "exec"]], ids=["fork", "exec"])
def test_a_child_that_was_forked_does_not_keep_its_dead_parent_alive(
    start: Start, folder: Path, arguments: list[str]
) -> None:
    session = start(*arguments)
    assert is_alive(elsewhere(session.user), folder)
    session.kill()
    # The child lives on, and lets go as the first thing that it does.
    wait_until(lambda: not is_alive(elsewhere(session.user), folder), 10, "the lock to be free")
    assert session.process.stdout is not None
    assert select.select([session.process.stdout], [], [], 0)[0] == []  # Its end would show here.


def test_a_child_that_ends_does_not_end_its_parents_session(start: Start, folder: Path) -> None:
    assert is_alive(elsewhere(start("child").user), folder)


def test_without_a_lock_nothing_proves_the_end_of_a_session_elsewhere(
    start: Start, folder: Path
) -> None:
    session = start()
    session.kill()
    assert is_alive(replace(elsewhere(session.user), lock=""), folder)
    (folder / session.user.lock).unlink()
    assert is_alive(elsewhere(session.user), folder)


def test_a_copy_of_the_folder_proves_nothing(start: Start, folder: Path, tmp_path: Path) -> None:
    """Such as in a container whose image was built while a session was under way."""
    session = start()
    shutil.copytree(folder, tmp_path / "copy")
    assert is_alive(elsewhere(session.user), tmp_path / "copy")


def test_a_session_from_before_the_machine_was_started_anew_has_ended(
    start: Start, folder: Path
) -> None:
    session = start()
    before = replace(session.user, place="00000000-1111-2222-3333-444444444444/4026531836")
    assert is_alive(before, folder)
    session.kill()
    assert not is_alive(before, folder)


def old(user: User) -> User:
    """As versions before locks wrote it down."""
    return User(user.pid, user.started)


def test_an_old_session_is_judged_by_its_process(start: Start, folder: Path) -> None:
    session = start()
    assert is_alive(old(session.user), folder)
    session.kill()
    if not this_place().endswith("/4026531836"):
        pytest.skip("another process namespace may hold it: this one does not see all processes")
    assert not is_alive(old(session.user), folder)


def test_an_old_session_in_a_container_is_found_from_outside(start: Start, folder: Path) -> None:
    session = start(within=container())
    if not this_place().endswith("/4026531836"):
        pytest.skip("this process namespace does not see all processes")
    assert is_alive(old(session.user), folder)
    session.kill()
    wait_until(lambda: not is_alive(old(session.user), folder), 10, "the end of the session")


def test_an_old_session_outside_counts_as_alive_in_a_container(start: Start, folder: Path) -> None:
    assert judged_in_a_container(old(start().user), folder)


def test_an_old_session_from_before_the_machine_was_started_anew_has_ended(folder: Path) -> None:
    assert not is_alive(User(1, "00000000-1111-2222-3333-444444444444:17"), folder)


def test_a_session_that_recorded_nothing_leaves_nothing_behind(folder: Path) -> None:
    with session_in(folder):
        assert len(locks(folder)) == 1
    assert locks(folder) == []


def test_a_folder_in_which_nothing_was_written_down_goes_with_its_session(tmp_path: Path) -> None:
    """Such as that of ``flash run`` on an app without remote functions."""
    folder = tmp_path / ".runpod"
    with session_in(folder):
        assert len(locks(folder)) == 1
        with session_in(folder):
            pass
        assert len(locks(folder)) == 1
    assert not folder.exists()
    with session_in(folder) as user:
        record(State(folder, on_notice=pytest.fail), user)
    assert (folder / ".gitignore").exists()
    assert (folder / "resources.pkl").exists()


def record(state: State, *users: User) -> None:
    with state.change() as draft:
        configuration = draft.configuration({"name": "gpu"})
        draft.put(
            SCOPE, CreatedEndpoint("gpu", "gpu", "id", configuration, "/main.py", "run", users)
        )


def test_a_lock_stays_as_long_as_a_record_names_it(folder: Path) -> None:
    state = State(folder, on_notice=pytest.fail)
    with session_in(folder) as user:
        record(state, user)
    assert locks(folder) == [user.lock]
    assert not is_alive(elsewhere(user), folder)
    record(state)
    assert locks(folder) == []


def test_no_sweep_takes_the_lock_of_a_living_session(start: Start, folder: Path) -> None:
    living, dead = start(), start()
    dead.kill()
    sweep(folder, ())
    assert locks(folder) == [living.user.lock]


def test_sessions_begin_and_end_beside_sweeps(folder: Path, request: pytest.FixtureRequest) -> None:
    """A lock that is made is taken for one that was left behind, between the two steps."""
    rounds = 8000 if request.config.getoption("soak") else 300
    command = [sys.executable, "-c", SWEEPER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as sweeper:
        assert sweeper.stdout is not None
        sweeper.stdout.readline()
        try:
            for _ in range(rounds):
                session = begin_session(folder)
                assert session.user.lock in locks(folder)
                assert is_alive(elsewhere(session.user), folder)
                session.close()
        finally:
            sweeper.kill()


def test_where_the_folder_cannot_be_made_a_session_has_no_lock(tmp_path: Path) -> None:
    with session_in(tmp_path / "gone" / ".runpod") as user:
        assert user == User.current()
    assert list(tmp_path.iterdir()) == []


def test_only_file_systems_of_this_kernel_are_trusted_to_share_their_locks(tmp_path: Path) -> None:
    """What is not known to do so is not: network file systems, what a virtual machine shares."""
    for folder in ("/proc/self", "/sys"):
        assert not shares_locks(Path(folder))
    # With a space, which the system's list of mounts escapes.
    with small_disk(tmp_path / "a folder"):
        assert shares_locks(tmp_path / "a folder")
        assert shares_locks(tmp_path / "a folder" / "below")
