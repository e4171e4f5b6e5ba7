"""The live path, redirected to a stand-alone emulator by the documented variables."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pytest_flash.runpod import Endpoint
from tests.support.environment import QUICKSTART, ROOT, clean_environment
from tests.support.runs.flash_run import FlashRun, StartRun
from tests.support.runs.saving import save
from tests.support.system.processes import wait_until

Existing = Callable[[], list[Endpoint]]


def names(endpoints: Existing) -> list[str]:
    return sorted(endpoint.name for endpoint in endpoints())


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """A copy of the quickstart, since what is created is recorded beside an app."""
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    return shutil.copytree(QUICKSTART, tmp_path / "quickstart", ignore=ignored)


def test_flash_run_creates_live_endpoints_and_leaves_them(
    flash_run: StartRun,
    http: httpx.Client,
    variables: dict[str, str],
    endpoints: Existing,
    quickstart: Path,
) -> None:
    run = flash_run(str(quickstart), cwd=quickstart, environment=variables)
    body = http.post(f"{run.url}/process", json={"data": "x"}).json()
    assert body["gpu"]["letters"] == 1
    assert "Runpod, which costs money (RUNPOD_API_KEY from environment)" in run.output
    run.process.terminate()
    assert run.wait() == 0

    assert names(endpoints) == ["live-quickstart-cpu", "live-quickstart-gpu"]
    assert {each.env["PYTEST_FLASH_OWNER"] for each in endpoints()} == {"quickstart/default"}
    before = {each.id for each in endpoints()}

    options = ("--live", "--auto-provision")
    again = flash_run(*options, cwd=quickstart, environment=variables)
    again.wait_for("live-quickstart-gpu reused")
    assert {each.id for each in endpoints()} == before


def test_the_emulator_option_leaves_the_account_alone(
    flash_run: StartRun,
    http: httpx.Client,
    variables: dict[str, str],
    endpoints: Existing,
    quickstart: Path,
) -> None:
    run = flash_run("--emulator", cwd=quickstart, environment=variables)
    assert http.post(f"{run.url}/process", json={"data": "x"}).status_code == 200
    assert names(endpoints) == []


def test_more_than_five_creations_need_a_yes(
    flash_run: StartRun, variables: dict[str, str], endpoints: Existing, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        "app = FastAPI()\n"
        + "".join(
            f"@remote(LiveServerless(name='many-{number}'))\ndef f{number}(): pass\n"
            for number in range(6)
        )
    )
    refused = flash_run("--auto-provision", cwd=tmp_path, environment=variables)
    assert refused.wait() == 1
    assert "--yes" in refused.output
    assert names(endpoints) == []

    agreed = flash_run("--auto-provision", "--yes", cwd=tmp_path, environment=variables)
    agreed.wait_for(" at http://")
    assert len(endpoints()) == 6


@pytest.mark.parametrize("program", ["script", "uvicorn"])
def test_a_plain_process_with_a_key_is_live(
    variables: dict[str, str], endpoints: Existing, quickstart: Path, program: str
) -> None:
    call = "asyncio.run(main.process(main.Job(data='x')))"
    if program == "uvicorn":
        call = (
            "\nfrom starlette.testclient import TestClient\n"
            "TestClient(main.app).post('/process', json={'data': 'x'}).json()"
        )
    code = f"import asyncio, main{call if call.startswith(chr(10)) else '; ' + call}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=quickstart,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert names(endpoints) == ["live-quickstart-cpu", "live-quickstart-gpu"]


TALKS = """\
import asyncio, logging, pathlib, sys
from pytest_flash import CpuLiveServerless, remote

heard = pathlib.Path("heard").absolute()

class Listener(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        if record.getMessage() == "talk #1 | first":
            heard.touch()

logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[Listener()])

@remote(CpuLiveServerless(name="talk"))
def talk(heard):
    import pathlib, time
    print("first")
    deadline = time.monotonic() + 60
    while not pathlib.Path(heard).exists():
        assert time.monotonic() < deadline, "nobody has heard of it"
        time.sleep(0.01)
    print("last")

asyncio.run(talk(str(heard)))
"""


def test_a_plain_process_logs_what_functions_print_while_they_do(
    variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(TALKS)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^talk #1 \| (.*)$", done.stderr, re.MULTILINE) == ["first", "last"]


PRINTS = """\
import asyncio
from pytest_flash import CpuLiveServerless, remote

@remote(CpuLiveServerless(name="prints"))
def prints():
    print("on the worker \u2192")
    return 7

print(asyncio.run(prints()))
"""


def test_a_script_prints_what_functions_print_and_says_what_it_makes(
    variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(PRINTS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=clean_environment(**variables, PYTHONIOENCODING="ascii"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "prints #1 | on the worker \\u2192\n7\n"
    assert re.search(r"^endpoint live-prints created in \d+\.\d\d s$", done.stderr, re.MULTILINE)
    assert "EndpointReady(" not in done.stderr


def test_a_plain_process_without_a_key_names_the_ways(quickstart: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import asyncio, main; asyncio.run(main.clean('x'))"],
        cwd=quickstart,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    for way in ("RUNPOD_API_KEY", "flash run", "flash emulator"):
        assert way in done.stderr


def test_pytest_live_deletes_what_it_created(
    variables: dict[str, str], endpoints: Existing, quickstart: Path
) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--flash-live"]
    done = subprocess.run(
        command,
        cwd=quickstart,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "flash: Runpod (live)" in done.stdout
    assert names(endpoints) == []


def test_the_exports_can_be_sourced_by_a_shell(tmp_path: Path) -> None:
    emulator = subprocess.Popen(
        [sys.executable, "-m", "flash_cli", "emulator", "--api-key", "it's a key"],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with emulator:
        assert emulator.stdout is not None
        assert emulator.stdin is not None
        emulator.stdin.close()  # The end of standard input is no reason to stop.
        lines = "".join(emulator.stdout.readline() for _ in range(3))
        done = subprocess.run(
            ["sh", "-c", f'{lines}\nprintf "%s %s" "$RUNPOD_API_KEY" "$RUNPOD_API_BASE_URL"'],
            capture_output=True,
            text=True,
            check=True,
        )
        key, _, url = done.stdout.rpartition(" ")
        assert key == "it's a key"
        answer = httpx.get(f"{url}/v2/serverless", headers={"Authorization": f"Bearer {key}"})
        assert answer.json() == {"endpoints": []}
        emulator.terminate()
        assert emulator.wait(60) == 0


def test_the_command_is_installed_beside_python() -> None:
    command = Path(sys.executable).parent / "flash"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("flash, version ")


DOUBLE = """\
from fastapi import FastAPI
from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote

app = FastAPI()

@remote({resource})
def double(n: int) -> int:
    return 2 * n

@app.get("/double")
async def route(n: int) -> list[object]:
    return [{kind!r}, await double(n)]
"""
QUEUE = DOUBLE.format(kind="QUEUE", resource="CpuLiveServerless(name='double')")
LOAD_BALANCER = DOUBLE.format(
    kind="LOAD_BALANCER",
    resource="CpuLiveLoadBalancer(name='double'), method='POST', path='/double'",
)


def test_a_load_balancer_is_called_and_takes_a_queues_place(
    flash_run: StartRun,
    http: httpx.Client,
    variables: dict[str, str],
    endpoints: Existing,
    tmp_path: Path,
) -> None:
    def start() -> FlashRun:
        arguments = ("--live", "--auto-provision", "--yes")
        return flash_run(*arguments, cwd=tmp_path, environment=variables)

    def doubled(run: FlashRun) -> object:
        return http.get(f"{run.url}/double", params={"n": 4}).json()

    def existing() -> tuple[str, str]:
        (endpoint,) = endpoints()
        return endpoint.document()["type"], endpoint.id

    save(tmp_path / "main.py", QUEUE)
    first = start()
    assert doubled(first) == ["QUEUE", 8]
    assert existing()[0] == "QUEUE"

    save(tmp_path / "main.py", LOAD_BALANCER)
    first.wait_for("recreating (type cannot be changed from QUEUE to LOAD_BALANCER)")
    wait_until(lambda: doubled(first) == ["LOAD_BALANCER", 8], 60, "the load balancer")
    kind, made = existing()
    assert kind == "LOAD_BALANCER"
    first.process.terminate()
    assert first.wait() == 0

    again = start()
    assert doubled(again) == ["LOAD_BALANCER", 8]
    assert "live-double reused" in again.output
    assert existing() == ("LOAD_BALANCER", made)
