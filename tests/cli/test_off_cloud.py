"""``flash run`` reaches the cloud when it was told to, and takes no stranger's way there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.environment import ROOT
from tests.support.pytest_runs.official_stand_ins import APP, write_standins
from tests.support.runs.flash_run import FlashRun, StartRun
from tests.support.runs.saving import save
from tests.support.system.processes import wait_until

KEY = "rpa_exported"
NOBODY = "http://127.0.0.1:9"

# It imports an SDK for its own sake, through a library, and has no functions on it.
WITHOUT_FUNCTIONS = """
from fastapi import FastAPI
from library import tetra_rp

app = FastAPI()
number = {number}

@app.get("/")
async def root():
    return [number, tetra_rp.SEEN["RUNPOD_API_BASE_URL"], tetra_rp.SEEN["RUNPOD_API_KEY"]]
"""


def test_an_app_of_an_official_sdk_is_refused_until_it_has_no_functions_on_it(
    flash_run: StartRun, http: httpx.Client, tmp_path: Path
) -> None:
    project, libraries = tmp_path / "project", tmp_path / "libraries"
    write_standins(libraries)
    (libraries / "library.py").write_text("import tetra_rp\n")
    project.mkdir()
    (project / "main.py").write_text(APP.replace("runpod_flash", "tetra_rp"))
    run = flash_run("--emulator", cwd=project, RUNPOD_API_KEY=KEY, PYTHONPATH=f"{libraries}:{ROOT}")
    run.wait_for("tetra_rp would run functions of this app on Runpod, which costs money")
    assert f"main.greet ({project}/main.py:7)" in run.output
    run.wait_for("until a file is saved")
    # More than once: nothing of an SDK may be imported ahead for the next process.
    for number in (1, 2, 3):
        save(project / "main.py", WITHOUT_FUNCTIONS.format(number=number))
        _, url, key = answer_of(http, run, number)
        assert url.startswith("http://127.0.0.1:1/")
        assert key == "pytest-flash-is-not-live"
        run.wait_for(" at http://" if number == 1 else f"serving generation {number + 1}")


def test_on_runpod_an_app_of_the_flash_sdk_is_refused_and_reaches_nothing(
    flash_run: StartRun, tmp_path: Path
) -> None:
    write_standins(tmp_path)
    noted = "\nimport runpod_flash\nopen('seen', 'w').write(runpod_flash.BASE)\n"
    (tmp_path / "main.py").write_text(APP + noted)
    run = flash_run("--live", cwd=tmp_path, RUNPOD_API_KEY=KEY)
    run.wait_for("runpod_flash would run functions of this app on Runpod by itself: main.greet")
    assert "the SDK's own tool" in run.output
    assert "--emulator" in run.output
    assert (tmp_path / "seen").read_text().startswith("http://127.0.0.1:1/")


def answer_of(http: httpx.Client, run: FlashRun, number: int) -> list[Any]:
    """What the app answers once it is that of ``number``."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(http.get(run.url))
        return answers[-1].text.startswith(f"[{number},")

    wait_until(answered, 60, f"an answer of app {number}")
    answer: list[Any] = answers[-1].json()
    return answer


STRAYS = """
import asyncio, contextlib, os, subprocess, sys, threading, time
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, remote

@remote(CpuLiveServerless(name="double"))
def double(x):
    return 2 * x

def outcome():
    try:
        return str(asyncio.run(double(2)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def later():
    # Until the server that answers for remote functions has let go of them.
    from pytest_flash.functions.registry import registry
    while registry.bound_caller() is not None:
        time.sleep(0.005)
    with open("outcome.new", "w") as file:
        file.write(outcome())
    os.rename("outcome.new", "outcome")

@contextlib.asynccontextmanager
async def lifespan(app):
    yield
    threading.Thread(target=later).start()

app = FastAPI(lifespan=lifespan)

@app.get("/")
def root():
    command = [sys.executable, "-c", "import main; print(main.outcome())"]
    return subprocess.run(command, capture_output=True, text=True).stdout
"""


def test_what_an_app_on_the_emulator_starts_is_refused(
    flash_run: StartRun, http: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(STRAYS)
    patient = {"stop_grace": 3600.0}  # Until the thread is through.
    run = flash_run("--emulator", cwd=tmp_path, timings=patient, RUNPOD_API_KEY=KEY)
    answer = http.get(run.url).json()
    run.process.terminate()
    wait_until((tmp_path / "outcome").exists, 60, "the end of the thread")
    for outcome in (answer, (tmp_path / "outcome").read_text()):
        assert outcome.startswith("LiveRefusedError: ")
        assert "flash run" in outcome


class Proxy:
    """Remembers which hosts it was asked to connect to, and refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # It was closed.
            with connection:
                self.asked.append(connection.recv(65536).decode().partition("\r\n")[0])
                connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def proxies() -> Iterator[tuple[Proxy, Proxy]]:
    made = Proxy(), Proxy()
    yield made
    for each in made:
        each.close()


def test_a_dotenv_file_leads_an_exported_key_through_no_proxy(
    flash_run: StartRun, http: httpx.Client, proxies: tuple[Proxy, Proxy], tmp_path: Path
) -> None:
    ours, strangers = proxies
    (tmp_path / ".env").write_text(f"HTTPS_PROXY={strangers.url}\nhttps_proxy={strangers.url}\n")
    (tmp_path / "main.py").write_text(
        "import os\nfrom fastapi import FastAPI\n"
        "from pytest_flash import CpuLiveServerless, remote\napp = FastAPI()\n"
        "@remote(CpuLiveServerless(name='double'))\ndef double(x):\n    return 2 * x\n"
        "@app.get('/')\nasync def root():\n    return os.environ['https_proxy']\n"
        "@app.get('/call')\nasync def call():\n    return await double(2)\n"
    )
    run = flash_run(
        "--live",
        cwd=tmp_path,
        RUNPOD_API_KEY=KEY,
        ALL_PROXY=ours.url,
        RUNPOD_API_BASE_URL="https://runpod.invalid",
        RUNPOD_ENDPOINT_BASE_URL="https://runpod.invalid/v2",
    )
    # The app has what its file says; our requests do not.
    assert http.get(run.url).json() == strangers.url
    with contextlib.suppress(httpx.ReadTimeout):
        http.get(f"{run.url}/call", timeout=1)  # It is tried again and again.
    wait_until(lambda: ours.asked or strangers.asked, 60, "a request")
    run.process.kill()  # It would try for a while.
    assert not strangers.asked
    assert ours.asked[0] == "CONNECT runpod.invalid:443 HTTP/1.1"
