"""The folder and the files: private, unseen by git, whole also when the disk refuses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.store import State

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")


def put(state: State, resource: str) -> None:
    with state.change() as draft:
        configuration = draft.configuration({"name": resource})
        draft.put(
            SCOPE, CreatedEndpoint(resource, resource, None, configuration, "/main.py", "run")
        )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ".runpod", on_notice=pytest.fail)


def test_folder_and_file_are_for_this_user_alone(state: State) -> None:
    before = os.umask(0)
    try:
        put(state, "gpu")
        with state.creating(SCOPE, "gpu"):
            pass
    finally:
        os.umask(before)
    assert mode(state.folder) == 0o700
    assert mode(state.path) == 0o600
    assert all(mode(path) == 0o600 for path in state.folder.glob("*.lock"))


def test_git_sees_nothing_of_the_folder(state: State) -> None:
    put(state, "gpu")
    assert (state.folder / ".gitignore").read_text() == "*\n"


def test_a_folder_that_is_there_keeps_its_gitignore(state: State) -> None:
    state.folder.mkdir()
    (state.folder / ".gitignore").write_text("*.log\n")
    put(state, "gpu")
    assert (state.folder / ".gitignore").read_text() == "*.log\n"


def test_only_the_file_and_its_lock_remain(state: State) -> None:
    put(state, "gpu")
    with state.creating(SCOPE, "gpu"):
        put(state, "cpu")
    left = {path.name for path in state.folder.iterdir()}
    creation = {name for name in left if name.startswith("creating-")}
    assert left - creation == {".gitignore", "resources.lock", "resources.pkl"}
    assert len(creation) == 1


def test_what_a_killed_process_left_half_written_is_cleared(state: State) -> None:
    put(state, "gpu")
    (state.folder / "resources.pkl.tmp").write_bytes(b"half")
    put(state, "cpu")
    assert [record.resource for record in state.read().records(SCOPE)] == ["cpu", "gpu"]
    assert not (state.folder / "resources.pkl.tmp").exists()


def use_read(state: State) -> None:
    state.read()


def use_change(state: State) -> None:
    put(state, "gpu")


def use_creating(state: State) -> None:
    with state.creating(SCOPE, "gpu"):
        pass


@pytest.mark.parametrize("use", [use_read, use_change, use_creating])
def test_a_file_where_the_folder_should_be_is_named(
    state: State, use: Callable[[State], None]
) -> None:
    state.folder.write_text("a file")
    with pytest.raises(ProvisioningError, match=r"\.runpod.* cannot be (made|read): ") as caught:
        use(state)
    assert isinstance(caught.value.__cause__, OSError)
    assert state.folder.read_text() == "a file"


def test_a_project_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    state = State(tmp_path / "gone" / ".runpod", on_notice=pytest.fail)
    with pytest.raises(ProvisioningError, match="cannot be made: No such file or directory"):
        put(state, "gpu")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
@pytest.mark.parametrize("use", [use_read, use_change])
def test_something_else_where_the_file_should_be_is_named(
    state: State, use: Callable[[State], None], make: Callable[[Path], None]
) -> None:
    state.folder.mkdir()
    make(state.path)
    with pytest.raises(ProvisioningError, match=r"resources\.pkl cannot be read"):
        use(state)


def test_something_that_cannot_be_replaced_leaves_no_draft(state: State) -> None:
    put(state, "gpu")

    def change() -> None:
        with state.change() as draft:
            draft.remove(SCOPE, "gpu")
            state.path.unlink()
            state.path.mkdir()

    with pytest.raises(ProvisioningError, match=r"resources\.pkl cannot be saved: "):
        change()
    assert not (state.folder / "resources.pkl.tmp").exists()


def test_a_folder_that_cannot_be_written_is_named(state: State) -> None:
    put(state, "gpu")
    state.folder.chmod(0o500)
    try:
        if os.access(state.folder, os.W_OK):
            pytest.skip("this user, as root does, writes everywhere")
        assert len(state.read().records(SCOPE)) == 1
        with pytest.raises(ProvisioningError, match=r"\.runpod.*: Permission denied"):
            put(state, "cpu")
    finally:
        state.folder.chmod(0o700)


FULL_DISK = """
import resource, sys
from pathlib import Path
from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.store import State

scope = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
state = State(Path(sys.argv[1]), on_notice=print)

def put(name):
    with state.change() as draft:
        configuration = draft.configuration({"name": name})
        draft.put(scope, CreatedEndpoint(name, name, "id", configuration, "/main.py", "run"))

put("first")
# From here on no file may grow: as on a full disk, a write fails in the middle.
room = max(0, state.path.stat().st_size + int(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    put("second" * 100)
except ProvisioningError as error:
    print(error)
else:
    sys.exit("it was saved")
"""


@pytest.mark.parametrize("room", [-10_000, 0, 100])
def test_a_full_disk_is_named_and_the_old_file_stays(state: State, room: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(state.folder), str(room)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{state.path} cannot be saved: File too large")
    assert [record.resource for record in state.read().records(SCOPE)] == ["first"]
    assert not list(state.folder.glob("*.tmp"))
    assert not list(state.folder.glob("*damaged*"))
