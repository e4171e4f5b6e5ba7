"""How an emulator ends, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.errors import EmulatorError
from tests.emulator.harness import Emulator, StartEmulator, is_alive, until
from tests.support.system.processes import descendants


def busy(emulator: Emulator) -> list[int]:
    """Processes that should die with the emulator: a busy worker, an idle one, its child."""
    one, other = emulator.create(), emulator.create()
    emulator.running(one, emulator.run(one, do="sleep", seconds=60))
    child = emulator.call(other, do="child")["output"]
    idle = emulator.call(other, do="pid")["output"]
    below = descendants(emulator.process.pid)
    children = [each.pid for each in below if each.pid not in (emulator.process.pid, child)]
    assert idle in children
    assert len(children) == 2
    return [*children, child]


def gone(pids: list[int], seconds: float) -> None:
    until(lambda: [pid for pid in pids if is_alive(pid)], lambda left: not left, seconds)


def can_connect(origin: str) -> bool:
    parts = urlsplit(origin)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start_emulator: StartEmulator, number: int) -> None:
    emulator = start_emulator()
    pids = busy(emulator)
    home = Path(emulator.call(emulator.create(), do="environ")["output"]["cwd"])
    os.kill(emulator.process.pid, number)
    assert emulator.process.wait(30) == 0
    gone(pids, 30)
    assert not home.parent.exists()
    assert not can_connect(emulator.origin)


def test_a_kill_leaves_no_worker(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    pids = busy(emulator)
    emulator.process.kill()
    emulator.process.wait(30)
    gone(pids, 30)
    assert not can_connect(emulator.origin)


def test_those_who_wait_are_answered_at_its_end(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    endpoint = emulator.create()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(emulator.call, endpoint, do="sleep", seconds=60)
        until(
            lambda: emulator.queue.get(f"/{endpoint}/health").json()["jobs"]["inProgress"],
            lambda count: count == 1,
        )
        emulator.process.terminate()
        assert call.result(5)["status"] == "CANCELLED"


def test_an_endless_installation_does_not_keep_it_alive(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    endpoint = emulator.create()
    job = emulator.run(endpoint, do="dependencies", request={"dependencies": ["endless"]})
    emulator.running(endpoint, job)
    emulator.process.terminate()
    assert emulator.process.wait(30) == 0


def test_it_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pytest_flash.emulator.client.process import EmulatorProcess\n"
        "emulator = EmulatorProcess.start(Path(sys.argv[1]))\n"
        "print(emulator.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_alive(pid)
        starter.kill()
    gone([pid], 30)


def test_a_started_emulator_serves_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RUNPOD_API_KEY", "FLASH_EMULATOR_KEY"):
        monkeypatch.setenv(name, "a-key-of-the-users")
    with EmulatorProcess.start(tmp_path) as emulator:
        origin = emulator.management_url.removesuffix("/api")
        assert emulator.queue_url == f"{origin}/queue/v2"
        assert emulator.running
        assert can_connect(origin)
        assert emulator.api_key not in repr(emulator)
        for name in ("cmdline", "environ"):
            if (seen := Path(f"/proc/{emulator.pid}/{name}")).exists():
                text = seen.read_text(errors="replace")
                assert emulator.api_key not in text
                assert "a-key-of-the-users" not in text
        began = time.monotonic()
    assert time.monotonic() - began < 30
    assert not emulator.running
    assert not can_connect(origin)
    emulator.stop()


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGTERM, "exited with code 0")],
)
def test_an_emulator_that_ends_is_noticed_and_says_how(
    tmp_path: Path, number: int, how: str
) -> None:
    with EmulatorProcess.start(tmp_path) as emulator, ThreadPoolExecutor(1) as threads:
        assert emulator.ended() is None
        waiting = threads.submit(emulator.wait)
        os.kill(emulator.pid, number)
        assert how in str(waiting.result(5))
        assert how in str(emulator.ended())
        assert not emulator.running
    assert how in str(emulator.ended())


def test_an_end_is_noticed_without_waiting_while_others_wait(tmp_path: Path) -> None:
    with EmulatorProcess.start(tmp_path) as emulator, ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(emulator.wait) for _ in range(4)]
        emulator.stop()
        assert all("exited with code 0" in str(each.result(5)) for each in waiting)
        assert "exited with code 0" in str(emulator.wait())


def test_an_emulator_that_is_killed_leaves_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "import sys; sys.stderr.write('first' + 5000 * '.' + 'last\\n')"
    (tmp_path / "sitecustomize.py").write_text(words)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with EmulatorProcess.start(tmp_path) as emulator:
        os.kill(emulator.pid, signal.SIGKILL)
        error = str(emulator.wait())
        assert "its last words:\n..." in error
        assert error.endswith("...last")
    assert str(emulator.ended()) == error


def test_an_emulator_with_a_log_names_it_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "emulator.log"
    with EmulatorProcess.start(tmp_path, log=log) as emulator:
        os.kill(emulator.pid, signal.SIGKILL)
        assert f"see {log}" in str(emulator.wait())


def test_two_emulators_have_keys_of_their_own(tmp_path: Path) -> None:
    with EmulatorProcess.start(tmp_path) as one, EmulatorProcess.start(tmp_path) as other:
        assert one.api_key != other.api_key
        assert one.management_url != other.management_url


def test_an_emulator_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash.emulator]\npreinstaled = []\n")
    with pytest.raises(EmulatorError, match=r"unknown key 'preinstaled'; did you mean"):
        EmulatorProcess.start(tmp_path)


def test_an_emulator_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="in time"):
        EmulatorProcess.start(tmp_path, timeout=0.0)


def test_a_project_folder_shadows_none_of_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "http", "uvicorn", "starlette", "pytest_flash"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with EmulatorProcess.start(tmp_path) as emulator:
        assert emulator.running


def test_it_writes_to_the_log_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash.emulator]\nflash_images = 3\n")
    log = tmp_path / "emulator.log"
    with pytest.raises(EmulatorError, match=r"emulator\.log"):
        EmulatorProcess.start(tmp_path, log=log)
    assert "flash_images must be a list" in log.read_text()


def test_importing_the_client_is_cheap() -> None:
    code = (
        "import sys; import pytest_flash.emulator.client.process; "
        "print([name for name in ('asyncio', 'httpx', 'pydantic', 'starlette', 'uvicorn', "
        "'logging') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
