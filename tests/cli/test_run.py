"""``flash run`` on the quickstart, as a newcomer uses it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.accounts.account import Account
from tests.support.environment import QUICKSTART
from tests.support.runs.command import RunCommand
from tests.support.runs.flash_run import FlashRun, StartRun, starting
from tests.support.runs.requests import asking
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_gone, wait_until

APP = "from fastapi import FastAPI\napp = FastAPI()\n"
BROKEN_LIFESPAN = """\
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def life(app):
    raise OSError('no disk')
    yield

app = FastAPI(lifespan=life)
"""
FILE, ATTRIBUTE = "docs/quickstart/main.py", "docs/quickstart/main.py:app"


@dataclass
class Quickstarts:
    """A server of the quickstart for each way to name it; one that ended is started again."""

    start: StartRun
    running: dict[str, FlashRun]

    def of(self, app: str) -> FlashRun:
        run = self.running.get(app)
        if run is None or run.has_ended:
            run = self.running[app] = self.start(app, closed_stdin=app == ATTRIBUTE)
        return run


@pytest.fixture(scope="module")
def quickstarts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstarts]:
    with starting(tmp_path_factory.mktemp("quickstarts")) as start:
        yield Quickstarts(start, {})


@pytest.fixture
def quickstart(quickstarts: Quickstarts) -> FlashRun:
    return quickstarts.of(FILE)


def copy_quickstart(folder: Path) -> None:
    shutil.copytree(
        QUICKSTART,
        folder,
        ignore=shutil.ignore_patterns("__pycache__", ".env", "main.py"),
        dirs_exist_ok=True,
    )
    save(folder / "main.py", (QUICKSTART / "main.py").read_text())


def test_the_quickstart_runs_functions_in_worker_processes(
    quickstart: FlashRun, http: httpx.Client
) -> None:
    assert http.get(f"{quickstart.url}/").status_code == 200
    body = http.post(f"{quickstart.url}/process", json={"data": "test input"}).json()

    assert body["cpu"]["text"] == "test input"
    assert body["gpu"]["letters"] == 9
    pids = {body["server_pid"], body["cpu"]["worker_pid"], body["gpu"]["worker_pid"]}
    assert len(pids) == 3
    assert pids <= {process.pid for process in quickstart.tree()}


def test_the_first_lines_say_where_functions_run_and_why(quickstart: FlashRun) -> None:
    quickstart.wait_for(" at http://")
    first = quickstart.output.splitlines()[:2]
    assert "the embedded Runpod" in first[0]
    assert "no RUNPOD_API_KEY" in first[0]
    assert "set RUNPOD_API_KEY" in first[1]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlashRun]:
    """The quickstart with much that can be said: a module, variables, endpoints at once."""
    folder = tmp_path_factory.mktemp("configured")
    copy_quickstart(folder)
    (folder / ".env").write_text("FIRST=file\nSECOND=file\n")
    with (folder / "main.py").open("a") as main:
        main.write(
            "\nimport os\n@app.get('/variables')\n"
            "def variables(): return [os.environ['FIRST'], os.environ['SECOND']]\n"
        )
    variables = {"FLASH_HOST": "127.0.0.1", "FLASH_PORT": "0", "SECOND": "shell"}
    with starting(tmp_path_factory.mktemp("log")) as start:
        options = ("main:app", "--auto-provision")
        yield start(*options, any_port=False, cwd=folder, environment=variables)


def test_endpoints_can_be_provisioned_before_serving(configured: FlashRun) -> None:
    configured.wait_for(" at http://")
    before = configured.output.partition(" at http://")[0]
    assert "live-quickstart-gpu created" in before
    assert "live-quickstart-cpu created" in before


def test_host_and_port_variables_are_honoured(configured: FlashRun, http: httpx.Client) -> None:
    """Port 0 takes a free one, which the default port and those after it are not."""
    url = httpx.URL(configured.url)
    assert url.host == "127.0.0.1"
    assert url.port is not None
    assert not 8888 <= url.port < 9000
    assert http.get(url).status_code == 200


def test_the_app_can_be_a_module(configured: FlashRun, http: httpx.Client) -> None:
    assert http.get(configured.url).status_code == 200
    assert "app main:app at" in configured.output


def test_dotenv_reaches_the_app_and_gives_way_to_the_environment(
    configured: FlashRun, http: httpx.Client
) -> None:
    assert http.get(f"{configured.url}/variables").json() == ["file", "shell"]


@pytest.mark.parametrize("app", [FILE, ATTRIBUTE])
def test_the_app_can_be_a_file(quickstarts: Quickstarts, http: httpx.Client, app: str) -> None:
    assert http.get(quickstarts.of(app).url).status_code == 200


def test_a_closed_standard_input_is_no_trouble(
    quickstarts: Quickstarts, http: httpx.Client
) -> None:
    run = quickstarts.of(ATTRIBUTE)
    assert http.get(run.url).status_code == 200
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert "Assertion" not in run.output


def test_an_emulator_that_dies_ends_the_command_with_its_reason(
    quickstart: FlashRun, http: httpx.Client
) -> None:
    assert http.get(quickstart.url).status_code == 200
    tree = quickstart.tree()
    (emulator,) = [each for each in tree if "pytest_flash.emulator" in each.command]

    os.kill(emulator.pid, signal.SIGKILL)

    assert quickstart.wait() == 1
    assert "SIGKILL" in quickstart.output
    wait_gone(tree, 60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    with sharing(
        tmp_path_factory.mktemp("shared"),
        first="import nowhere_to_be_found\n",
        timings={"stop_grace": 0.3},
    ) as shared_run:
        yield shared_run


@pytest.fixture
def run(shared: SharedRun) -> FlashRun:
    return shared.begin()


def test_a_first_start_with_broken_code_waits_for_a_good_save(
    shared: SharedRun, run: FlashRun
) -> None:
    """``run`` has had a good save, and serves."""
    assert "until a file is saved" in shared.first_output
    assert shared.first_answer is not None
    assert shared.first_answer.status_code == 503
    assert "main.py:1" in shared.first_answer.text
    assert shared.first_answer.headers["X-Flash-Generation"] == "1"


def test_a_save_brings_up_the_new_code_and_keeps_the_workers(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    copy_quickstart(shared.folder)
    url = run.url
    wait_until(lambda: "message" in http.get(url).json(), 60, "the quickstart")
    before = http.post(f"{url}/process", json={"data": "x"}).json()

    save(shared.main, shared.main.read_text().replace("POST some data", "Give some data"))
    wait_until(lambda: "Give" in http.get(url).json()["message"], 60, "the new answer")

    after = http.post(f"{url}/process", json={"data": "x"}).json()
    assert after["server_pid"] != before["server_pid"]
    assert after["gpu"]["worker_pid"] == before["gpu"]["worker_pid"]


def test_a_same_size_save_within_a_second_is_not_mistaken_for_the_old_code(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    part = shared.folder / "part.py"
    save(part, "VALUE = 100\n")
    save(shared.main, f"{APP}import part\n@app.get('/')\ndef index(): return part.VALUE\n")
    wait_until(lambda: http.get(run.url).json() == 100, 60, "the app")
    stamp = part.stat()

    draft = shared.folder / ".part.draft"
    draft.write_text("VALUE = 200\n")
    os.utime(draft, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    draft.replace(part)

    wait_until(lambda: http.get(run.url).json() == 200, 60, "the new value")


def test_broken_code_is_shown_and_answered_with_503_until_it_is_fixed(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    good = f"{APP}@app.get('/')\ndef index(): return 'good'\n"
    save(shared.main, good)
    wait_until(lambda: http.get(run.url).json() == "good", 60, "the app")

    save(shared.main, good + "\nsurprise!\n")
    wait_until(lambda: http.get(run.url).status_code == 503, 60, "the 503")
    answer = http.get(run.url).text
    assert f"{shared.main}:{len(good.splitlines()) + 2}" in answer
    assert "SyntaxError" in answer
    run.wait_for(answer.splitlines()[0])

    save(shared.main, good)
    wait_until(lambda: http.get(run.url).status_code == 200, 60, "the recovery")


def test_a_lifespan_that_breaks_while_reloading_is_shown_until_it_is_fixed(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    good = shared.main.read_text()
    save(shared.main, BROKEN_LIFESPAN)
    wait_until(lambda: http.get(run.url).status_code == 503, 60, "the 503")
    assert "no disk" in http.get(run.url).text

    save(shared.main, good)
    wait_until(lambda: http.get(run.url).status_code == 200, 60, "the recovery")


def test_no_request_is_lost_while_reloading(
    shared: SharedRun, run: FlashRun, http: httpx.Client
) -> None:
    source = f"{APP}@app.get('/')\ndef index(): return VALUE\n"
    url = run.url
    save(shared.main, f"{source}VALUE = 0\n")
    wait_until(lambda: http.get(url).json() == 0, 60, "the app")
    seen = [0]
    for value in range(1, 4):
        save(shared.main, f"{source}VALUE = {value}\n")

        def arrived(value: int = value) -> bool:
            seen.append(http.get(url).raise_for_status().json())
            return seen[-1] == value

        wait_until(arrived, 60, f"the value {value}")
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x = 1\n", "app = FastAPI()"),
        ("from fastapi import FastAPI\na = FastAPI()\nb = FastAPI()\n", "main.py:3: b"),
        ("import nowhere_to_be_found\n", "main.py:1"),
        (BROKEN_LIFESPAN, "no disk"),
    ],
    ids=["none", "two", "missing module", "lifespan"],
)
def test_an_app_that_cannot_start_ends_with_1_and_its_line(
    flash: RunCommand, tmp_path: Path, source: str, text: str
) -> None:
    (tmp_path / "main.py").write_text(source)
    ended = flash("run", "--no-reload", "--port", "0", cwd=tmp_path)
    assert ended.code == 1
    assert text in ended.output


@pytest.mark.parametrize("arguments", [(), ("nowhere",)])
def test_no_app_ends_with_1_and_the_next_step(
    flash: RunCommand, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = flash("run", *arguments, "--port", "0", cwd=tmp_path)
    assert ended.code == 1
    assert "module:a" in ended.output + ended.errors
    assert "Traceback" not in ended.output + ended.errors


def test_a_port_that_was_asked_for_and_is_busy_is_refused(flash: RunCommand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = flash("run", "docs/quickstart", "--host", "127.0.0.1", "--port", str(port))
    assert ended.code == 1
    assert f"port {port}" in ended.errors
    assert "--port" in ended.errors


@pytest.mark.parametrize("port", ["many", "-1", "65536", "80 80"])
def test_an_invalid_port_variable_is_reported(flash: RunCommand, port: str) -> None:
    ended = flash("run", "docs/quickstart", FLASH_PORT=port)
    assert ended.code == 1
    assert f"port {port!r} (FLASH_PORT, environment)" in ended.errors


def test_with_a_key_a_test_run_cannot_reach_the_cloud_through_flash_run(
    flash: RunCommand,
) -> None:
    ended = flash("run", "docs/quickstart", "--port", "0", RUNPOD_API_KEY="k", PYTEST_VERSION="9.0")
    assert ended.code == 1
    assert "--emulator" in ended.errors


@dataclass
class Questioned:
    """A server that asks before it creates endpoints."""

    start: StartRun
    folder: Path
    environment: dict[str, str]
    running: FlashRun | None = None

    def run(self, prefix: str) -> FlashRun:
        """The server, which asks whether to create six endpoints of these names."""
        source = "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        source += "app = FastAPI()\n" + "".join(
            f"@remote(LiveServerless(name='{prefix}{n}', workersMax=1))\ndef f{n}(): pass\n"
            for n in range(6)
        )
        save(self.folder / "main.py", source)
        if self.running is None or self.running.has_ended:
            self.running = self.start(
                "--auto-provision", cwd=self.folder, terminal=True, environment=self.environment
            )
        self.running.wait_for(f"{prefix}5")
        self.running.wait_for("Create them?")
        return self.running


@pytest.fixture(scope="module")
def questioned(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questioned]:
    with starting(tmp_path_factory.mktemp("log")) as start:
        yield Questioned(start, tmp_path_factory.mktemp("questioned"), account.variables)


def test_the_answer_goes_to_the_question_that_was_put_last(questioned: Questioned) -> None:
    """A save while it waits brings up new code, which asks again."""
    run = questioned.run("n")
    run.turn_page()
    questioned.run("o")

    run.type("y\n")

    run.wait_for("o5 created")
    assert "n5 created" not in run.output
    run.turn_page()


def test_ctrl_c_at_a_question_ends_the_command(questioned: Questioned) -> None:
    run = questioned.run("m")
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    wait_gone(tree, 60)


# The last, since it ends the run.
def test_ctrl_c_does_not_wait_for_a_hung_request(shared: SharedRun, run: FlashRun) -> None:
    hangs = "import time\n@app.get('/')\nasync def index():\n    print('hung', flush=True)\n"
    save(shared.main, f"{APP}{hangs}    time.sleep(3600)\nprint('loaded', flush=True)\n")
    run.wait_for("loaded")
    with asking(run.url):
        run.wait_for("hung")
        tree = run.tree()

        run.process.send_signal(signal.SIGINT)

        assert run.wait() == 130
    wait_gone(tree, 60)
