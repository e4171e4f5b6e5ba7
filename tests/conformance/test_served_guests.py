"""Unmodified apps of the official SDK under ``flash run`` and our fixtures; nothing set by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.environment import official_python
from tests.support.environment import ROOT, clean_environment
from tests.support.runs.flash_run import StartRun, starting
from tests.support.runs.saving import save

APP = ROOT / "tests" / "apps" / "guests" / "web.py"
EXPORTED, IN_HOME = "rpa_EXPORTED", "rpa_INHOME"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
NEWEST, OLDEST = "1.21.0", "1.1.1"

# What the app may find out itself: where its functions are.
ENDPOINTS = """
import os, httpx

@app.get("/endpoints")
def endpoints():
    headers = {"Authorization": f"Bearer {os.environ['RUNPOD_API_KEY']}"}
    url = os.environ["RUNPOD_API_BASE_URL"] + "/v2/serverless"
    return httpx.get(url, headers=headers).json()
"""

# Behind all other packages, as if it were installed; and which hosts and files are asked for.
SITE = """
import json, os, sys
sys.path.append(os.environ["OFFICIAL_SITE"])
def note(event, args):
    if event in ("socket.connect", "socket.sendto"):
        seen = args[1][0] if isinstance(args[1], tuple) else None
    elif event == "socket.getaddrinfo":
        seen = args[0]
    elif event == "open":
        seen = str(args[0]) if str(args[0]).endswith(("config.toml", "resources.pkl")) else None
    else:
        return
    if seen is not None:
        descriptor = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(seen if isinstance(seen, str) else seen.decode()).encode())
        os.write(descriptor, b"\\n")
        os.close(descriptor)
sys.addaudithook(note)
"""


class Guest:
    """A project with the app of a version of the SDK, and its environment."""

    def __init__(self, folder: Path, version: str) -> None:
        self.project = folder / "project"
        self._folder = folder
        requirements = "runpod==1.12.0", f"runpod-flash=={version}", "cloudpickle"
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        command = [str(official_python(requirements)), "-c", where]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        for name, text in {
            "site/sitecustomize.py": SITE,
            "home/.runpod/config.toml": f'[default]\napi_key = "{IN_HOME}"\n',
            "project/main.py": APP.read_text() + ENDPOINTS,
            # What the app was used with before; no pickle: whoever reads it fails.
            "project/.flash/resources.pkl": "of Runpod",
            "project/.runpod/resources.pkl": "of Runpod",
        }.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.variables = {
            "PYTHONPATH": f"{folder / 'site'}:{ROOT}",
            "OFFICIAL_SITE": found.stdout.strip(),
            "SEEN": str(folder / "seen"),
            "HOME": str(folder / "home"),
            "RUNPOD_API_KEY": EXPORTED,
            "HTTP_PROXY": "http://192.0.2.1:9",
        }

    def check(self) -> None:
        """It asked for nothing but this machine, read no key, and left the project alone."""
        seen = set(map(json.loads, (self._folder / "seen").read_text().splitlines()))
        files = {each for each in seen if each.endswith((".toml", ".pkl"))}
        assert seen - files <= LOOPBACK
        assert not any(Path(each).is_relative_to(self._folder) for each in files), files
        assert any(each.endswith("resources.pkl") for each in files)
        for state in (".flash", ".runpod"):
            assert (self.project / state / "resources.pkl").read_text() == "of Runpod"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRun]:
    with starting(tmp_path_factory.mktemp("logs")) as start:
        yield start


def test_flash_run_serves_it_and_what_is_saved(
    request: pytest.FixtureRequest, start: StartRun, tmp_path: Path
) -> None:
    for version in (NEWEST, *((OLDEST,) if request.config.getoption("soak") else ())):
        serve_and_save(Guest(tmp_path / version, version), start)


def serve_and_save(guest: Guest, start: StartRun) -> None:
    run = start("--emulator", cwd=guest.project, environment=guest.variables)
    with httpx.Client(base_url=run.url, timeout=60, trust_env=False) as http:
        assert answer(http, "/add/1/2") == 3, run.output
        assert answer(http, "/count/10") == 11, run.output
        main = guest.project / "main.py"
        save(main, main.read_text().replace("left + right", "left * right"))
        # A request before it may be the earlier process's, which has little time for it.
        run.wait_for("serving generation 2")
        assert answer(http, "/add/3/4") == 12, run.output
        made = http.get("/endpoints").json()["endpoints"]
        assert [each["name"].removesuffix("-fb") for each in made] == ["live-web"]
    run.end()
    guest.check()


TESTS = """
import asyncio
import pytest, main

@pytest.mark.parametrize("left", [1, 2])
def test_through_the_app(flash_client, left):
    assert flash_client.get(f"/add/{left}/2").json() == left + 2

def test_by_itself(flash_session):
    async def count():
        counter = main.Counter(10)
        return [await counter.up(1), await counter.up(2)]
    assert asyncio.run(count()) == [11, 12]

def test_one_endpoint(flash_client):
    made = flash_client.get("/endpoints").json()["endpoints"]
    assert [each["name"].removesuffix("-fb") for each in made] == ["live-web"]
"""


def test_our_fixtures_run_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if not request.config.getoption("soak"):
        pytest.skip("two versions of runpod-flash under our fixtures: with --soak")
    for version in (NEWEST, OLDEST):
        guest = Guest(tmp_path / version, version)
        (guest.project / "pytest.ini").write_text("[pytest]\n")
        (guest.project / "conftest.py").write_text("import main\n")
        (guest.project / "test_app.py").write_text(TESTS)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore"],
            cwd=guest.project,
            env=clean_environment(**guest.variables),
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert "4 passed" in done.stdout, done.stdout + done.stderr
        guest.check()


def answer(http: httpx.Client, path: str) -> object:
    got = http.get(path)
    return got.json() if got.status_code == 200 else got.text
