"""What a cloned repository may bring in place of our files: never followed, never waited for."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.state.live_sessions import is_alive, session_in
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from tests.support.environment import ROOT, clean_environment
from tests.support.system.deadline import at_most

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
SECRET = "the user's own\n"
LOCK = f"session-{'0' * 16}.lock"


def use_read(state: State) -> None:
    state.read()


def use_change(state: State) -> None:
    with state.change() as draft:
        configuration = draft.configuration({"name": "gpu"})
        draft.put(SCOPE, CreatedEndpoint("gpu", "gpu", None, configuration, "/main.py", "run"))


def use_creating(state: State) -> None:
    with state.creating(SCOPE, "gpu", timeout=1):
        pass


def use_sessions(state: State) -> None:
    with session_in(state.folder):
        assert is_alive(User(1, "never", "another place", LOCK), state.folder)


USES = (use_read, use_change, use_creating, use_sessions)


def link(path: Path, home: Path) -> None:
    path.symlink_to(home / "precious")


def dangling(path: Path, home: Path) -> None:
    path.symlink_to(home / "not-yet")


def pipe(path: Path, home: Path) -> None:
    os.mkfifo(path)


def pipe_behind_a_link(path: Path, home: Path) -> None:
    os.mkfifo(home / "pipe")
    path.symlink_to(home / "pipe")


def bound_socket(path: Path, home: Path) -> None:
    parent = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        # The path itself may be too long for a socket's address.
        made.bind(f"/proc/self/fd/{parent}/{path.name}")
    os.close(parent)


def folder(path: Path, home: Path) -> None:
    path.mkdir()


def device(path: Path, home: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("needs root")


PLANTS = (link, dangling, pipe, pipe_behind_a_link, bound_socket, folder, device)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "precious").write_text(SECRET)
    return tmp_path


@pytest.fixture
def state(home: Path) -> State:
    """With all the files that it ever makes."""
    state = State(home / ".runpod", on_notice=pytest.fail, timeout=1)
    use_change(state)
    use_creating(state)
    return state


def creation(state: State) -> str:
    (lock,) = state.folder.glob("creating-*.lock")
    return lock.name


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize(
    "name",
    [
        "resources.pkl",
        "resources.pkl.tmp",
        "resources.lock",
        "resources.lock.pid",
        "creating.lock",
        "creating.lock.pid",
        LOCK,
        ".gitignore",
    ],
)
def test_whatever_is_in_place_of_a_file_is_neither_followed_nor_waited_for(
    state: State, home: Path, name: str, plant: Callable[[Path, Path], None]
) -> None:
    path = state.folder / name.replace("creating.lock", creation(state))
    path.unlink(missing_ok=True)
    plant(path, home)

    for use in USES:
        # Each either does without the file, or says what is in its place.
        with at_most(10), contextlib.suppress(ProvisioningError):
            use(state)

    assert (home / "precious").read_text() == SECRET
    assert not (home / "not-yet").exists()


@pytest.mark.parametrize("name", ["resources.pkl", "resources.lock"])
def test_it_is_said_what_is_there(state: State, home: Path, name: str) -> None:
    (state.folder / name).unlink()
    link(state.folder / name, home)
    with pytest.raises(ProvisioningError, match=rf"{name} cannot .*it is a symbolic link.*remove"):
        use_change(state)


@pytest.mark.parametrize("use", USES)
def test_a_folder_that_is_a_link_is_not_entered(home: Path, use: Callable[[State], None]) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    state = State(home / ".runpod", on_notice=pytest.fail, timeout=1)
    state.folder.symlink_to(elsewhere)
    with contextlib.suppress(ProvisioningError):
        use(state)
    assert list(elsewhere.iterdir()) == []
    if use is not use_sessions:
        with pytest.raises(ProvisioningError, match=r"\.runpod.*it is a symbolic link, not a fold"):
            use(state)


def test_state_is_not_read_through_a_link_of_the_folder(state: State, home: Path) -> None:
    shutil.move(state.folder, home / "elsewhere")
    state.folder.symlink_to(home / "elsewhere")
    with pytest.raises(ProvisioningError, match="it is a symbolic link"):
        State(state.folder, on_notice=pytest.fail).read()


@pytest.mark.parametrize("plant", [link, pipe], ids=["link", "pipe"])
def test_flash_undeploy_list_overwrites_nothing_and_ends(
    home: Path, plant: Callable[[Path, Path], None]
) -> None:
    """The whole command, in a cloned repository whose state is damaged."""
    runpod = home / "clone" / ".runpod"
    runpod.mkdir(parents=True)
    (runpod / "resources.pkl").write_bytes(b"damaged")
    plant(runpod / "resources.lock.pid", home)
    done = subprocess.run(
        [sys.executable, "-m", "flash_cli", "undeploy", "list"],
        cwd=home / "clone",
        env=clean_environment(
            PYTHONPATH=str(ROOT),
            RUNPOD_API_KEY="key",
            RUNPOD_API_BASE_URL="http://127.0.0.1:9",
            RUNPOD_ENDPOINT_BASE_URL="http://127.0.0.1:9",
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "precious").read_text() == SECRET
    assert len(list(runpod.glob("resources.pkl.damaged-*"))) == 1
