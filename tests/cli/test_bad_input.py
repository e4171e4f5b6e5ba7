"""``flash run`` on what it should not be given: each case has a clear outcome."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pytest_flash.errors import PortTakenError
from pytest_flash.runner.app.options import DEFAULT_PORT
from pytest_flash.runner.serving.listening_sockets import listen
from tests.support.runs.flash_run import FlashRun, StartRun, starting
from tests.support.runs.requests import asking
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_gone, wait_until
from tests.support.system.sockets import listeners

APP = "from fastapi import FastAPI\napp = FastAPI()\nVALUE = 0\n"
INDEX = "@app.get('/')\ndef index(): return VALUE\n"
TWO_APPS = f"{APP}other = FastAPI()\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    timings = {"reload_grace": 0.3, "stop_grace": 0.3, "slow_start": 0.5}
    with sharing(tmp_path_factory.mktemp("shared"), first=TWO_APPS, timings=timings) as served:
        yield served


@pytest.fixture
def run(shared: SharedRun) -> FlashRun:
    return shared.begin()


def serves(http: httpx.Client, url: str, value: object) -> None:
    wait_until(lambda: answer(http, url) == value, 60, f"the value {value}")


def breaks(http: httpx.Client, url: str) -> httpx.Response:
    """The answer of an app that is broken, once it is."""
    answers: list[httpx.Response] = []

    def broken() -> bool:
        answers.append(http.get(url))
        return answers[-1].status_code == 503

    wait_until(broken, 60, "the 503")
    return answers[-1]


def answer(http: httpx.Client, url: str) -> object:
    response = http.get(url)
    return response.json() if response.status_code == 200 else None


def test_a_module_that_does_not_exist(flash_run: StartRun, tmp_path: Path) -> None:
    run = flash_run("shop.main:app", cwd=tmp_path)
    assert run.wait() == 1
    assert "no module 'shop.main' below" in run.output
    assert "Traceback" not in run.output
    assert "never retrieved" not in run.output


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlashRun]:
    """Serves an app of another folder to all machines."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / ".env").write_text("COLOUR=blue\n")
    source = APP + "import os\n" + INDEX.replace("VALUE", "os.environ['COLOUR']")
    (folder / "main.py").write_text(source)
    with starting(tmp_path_factory.mktemp("log")) as start:
        yield start("--app-dir", str(folder), "--host", "0.0.0.0")


def test_commands_of_another_user_in_a_folder_above(flash_run: StartRun, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    above = tmp_path / "pyproject.toml"
    above.write_text('[tool.flash.emulator.images]\n"an/image" = "sh -c evil"\n')
    os.chown(above, 12345, 12345)
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(APP + INDEX)
    run = flash_run("--emulator", cwd=app)
    assert run.wait() == 1
    assert "images" in run.output
    assert "belongs to user 12345" in run.output


def test_an_app_is_found_in_another_folder(elsewhere: FlashRun, http: httpx.Client) -> None:
    assert http.get(elsewhere.url).json() == "blue"


def test_a_host_for_all_machines_exposes_the_app_alone(
    elsewhere: FlashRun, http: httpx.Client
) -> None:
    assert http.get(elsewhere.url).status_code == 200
    assert "can be reached from other machines" in elsewhere.output
    assert "127.0.0.1" in elsewhere.output
    tree = {process.pid for process in elsewhere.tree()}
    assert open_to_all(tree) == {httpx.URL(elsewhere.url).port}


def open_to_all(pids: set[int]) -> set[int]:
    """The ports on which these processes listen for other machines."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):  # Closed meanwhile, or the process ended.
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                inodes.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return {each.port for each in listeners() if not each.is_loopback and each.inode in inodes}


def test_two_apps(shared: SharedRun, run: FlashRun, http: httpx.Client) -> None:
    """Whatever is served first: ``run`` serves by now, since one of them was taken away."""
    assert "has 2 FastAPI apps" in shared.first_output
    assert f"{shared.main}:2: app" in shared.first_output
    assert f"{shared.main}:4: other" in shared.first_output
    assert shared.first_answer is not None
    assert shared.first_answer.status_code == 503

    save(shared.main, TWO_APPS)
    breaks(http, run.url)
    run.wait_for("has 2 FastAPI apps")
    save(shared.main, APP + INDEX)
    serves(http, run.url, 0)


def test_an_app_that_raises_on_import_in_a_router(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    router = shared.folder / "router.py"
    save(router, "X = 1\n")
    save(shared.main, f"{APP}import router\n{INDEX}")
    serves(http, run.url, 0)
    before = int(http.get(run.url).headers["X-Flash-Generation"])

    save(router, "X = 1 / 0\n")

    broken = breaks(http, run.url)
    assert f"{router}:1" in broken.text
    assert "ZeroDivisionError" in broken.text
    page = http.get(run.url, headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "ZeroDivisionError" in page.text
    assert int(page.headers["X-Flash-Generation"]) > before


def test_a_dotenv_that_breaks_while_serving(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    dotenv = shared.folder / ".env"
    save(dotenv, "GOOD=1\n")
    save(shared.main, APP + INDEX)
    serves(http, run.url, 0)
    save(dotenv, "GOOD=1\nthis is broken\n")
    assert f"{dotenv}:2" in breaks(http, run.url).text
    save(dotenv, "GOOD=1\n")
    serves(http, run.url, 0)


def test_a_file_that_is_removed_and_comes_back(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    part = shared.folder / "part.py"
    save(part, "VALUE = 5\n")
    save(shared.main, f"{APP}from part import VALUE\n{INDEX}")
    serves(http, run.url, 5)
    part.unlink()
    assert "part" in breaks(http, run.url).text
    save(part, "VALUE = 6\n")
    serves(http, run.url, 6)


def test_a_thousand_files_at_once(shared: SharedRun, run: FlashRun, http: httpx.Client) -> None:
    many = shared.folder / "many"
    many.mkdir()
    (many / "__init__.py").touch()
    for number in range(1000):
        (many / f"part{number}.py").write_text("VALUE = 1\n")
    save(shared.main, f"{APP}from many.part999 import VALUE\n{INDEX}")
    serves(http, run.url, 1)
    for number in range(1000):
        (many / f"part{number}.py").write_text("VALUE = 2\n")
    serves(http, run.url, 2)
    assert http.get(run.url).status_code == 200


def test_an_app_that_blocks_its_event_loop_forever(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    save(
        shared.main,
        f"{APP}{INDEX}@app.get('/block')\nasync def block():\n"
        "    import time\n    print('blocked', flush=True)\n    time.sleep(600)\n",
    )
    serves(http, run.url, 0)
    with asking(f"{run.url}/block"):
        run.wait_for("blocked")
        save(shared.main, APP.replace("VALUE = 0", "VALUE = 1") + INDEX)
        serves(http, run.url, 1)


EXITS = f"{APP}{INDEX}@app.get('/exit')\nasync def leave():\n    import os\n    os._exit(7)\n"


@pytest.fixture(scope="module")
def without_reload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlashRun]:
    """``flash run --no-reload`` without a port, while another process has the default one.

    The one case with a port that is fixed: that there is a default is what it is about.
    """
    folder = tmp_path_factory.mktemp("project")
    (folder / "main.py").write_text(EXITS)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(PortTakenError):  # Another process has it: as good.
            stack.enter_context(listen("localhost", DEFAULT_PORT))
        start = stack.enter_context(starting(tmp_path_factory.mktemp("log")))
        run = start("--no-reload", any_port=False, cwd=folder)
        assert httpx.get(run.url, trust_env=False, timeout=60).json() == 0
        yield run


def test_the_default_port_gives_way_and_says_so(without_reload: FlashRun) -> None:
    port = httpx.URL(without_reload.url).port
    assert port != DEFAULT_PORT
    assert f"port 8888 is taken, so the app is on {port}" in without_reload.output


def test_an_app_that_ends_its_process_without_reload(
    without_reload: FlashRun, http: httpx.Client
) -> None:
    with pytest.raises(httpx.TransportError):
        http.get(f"{without_reload.url}/exit")
    assert without_reload.wait() == 7
    assert "exit code 7" in without_reload.output


def test_an_app_that_ends_its_process(shared: SharedRun, run: FlashRun, http: httpx.Client) -> None:
    save(shared.main, EXITS)
    serves(http, run.url, 0)
    with pytest.raises(httpx.TransportError):
        http.get(f"{run.url}/exit")
    assert "exited with code 7" in breaks(http, run.url).text
    save(shared.main, APP + INDEX)
    serves(http, run.url, 0)


def test_an_app_that_calls_sys_exit_while_it_is_imported(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    save(shared.main, f"{APP}import sys\nsys.exit(4)\n")
    run.wait_for("calls sys.exit")
    assert f"{shared.main}:5" in run.output
    save(shared.main, APP + INDEX)
    serves(http, run.url, 0)


HANGS = """\
import asyncio, contextlib
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def life(app):
    BEFORE
    yield
    AFTER

app = FastAPI(lifespan=life)
VALUE = 0
"""


def test_a_lifespan_that_hangs(shared: SharedRun, run: FlashRun, http: httpx.Client) -> None:
    begins = "print('hangs', flush=True); await asyncio.sleep(600)"
    save(shared.main, HANGS.replace("BEFORE", begins).replace("AFTER", ""))
    run.wait_for("hangs")
    run.wait_for("has not started")
    save(shared.main, APP + INDEX)
    serves(http, run.url, 0)


# The last ones end the run.
def test_an_app_that_starts_threads_and_subprocesses(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    source = (
        f"{APP}import subprocess, sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "CHILD = subprocess.Popen(['sleep', '600'])\n" + INDEX.replace("VALUE", "CHILD.pid")
    )
    save(shared.main, source)
    wait_until(lambda: isinstance(answer(http, run.url), int), 60, "the app")
    first = answer(http, run.url)
    (sleeping,) = [each for each in run.tree() if each.pid == first]
    save(shared.main, source + "\n")
    wait_until(lambda: answer(http, run.url) != first, 60, "the new code")
    wait_gone({sleeping}, 60)

    tree = run.tree()
    run.process.terminate()
    assert run.wait() == 0
    wait_gone(tree, 60)


def test_a_lifespan_that_hangs_at_its_end(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    source = HANGS.replace("BEFORE", "").replace("AFTER", "await asyncio.sleep(600)") + INDEX
    save(shared.main, source)
    serves(http, run.url, 0)
    save(shared.main, source.replace("VALUE = 0", "VALUE = 1"))
    serves(http, run.url, 1)
    tree = run.tree()
    run.process.terminate()
    assert run.wait() == 0
    wait_gone(tree, 60)
