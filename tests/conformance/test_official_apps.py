"""Apps of official SDKs that are not guests are refused without ``--flash-live``."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.environment import official_python
from tests.support.environment import ROOT, clean_environment

EXPORTED, IN_DOTENV, IN_HOME = "rpa_EXPORTED", "rpa_INDOTENV", "rpa_INHOME"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

FLASH = """
from fastapi import FastAPI
from {module} import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
async def greet(name):
    return name

@remote(LiveServerless(name="gpu"))
class Counter:
    def up(self):
        return 1

def call():
    return greet("x")
"""

APPS = """
import runpod
from fastapi import FastAPI

app = FastAPI()
shop = runpod.App("shop")

@shop.queue(name="greet", cpu="cpu3c-2-4")
async def greet(name):
    return name

def call():
    return greet.remote.aio("x")
"""

TESTS = """
import asyncio, json, os
import pytest

def test_of_the_app(flash_client):
    flash_client.get("/")

def test_without_a_fixture(monkeypatch):
    import main, runpod
    monkeypatch.setenv("FLASH_IS_LIVE_PROVISIONING", "true")
    with open("seen.json", "w") as file:
        json.dump([runpod.api_key, runpod.endpoint_url_base, dict(os.environ)], file)
    with pytest.raises(Exception) as caught:
        asyncio.run(asyncio.wait_for(main.call(), 60))
    print(type(caught.value).__name__, caught.value)
"""

# As the guard of tests/support/downstream; and the official packages, behind all others.
SITE = """
import json, os, sys
sys.modules["uvloop"] = None
sys.path.append(os.environ["OFFICIAL_SITE"])
def hook(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        address = args[0] if event == "socket.getaddrinfo" else args[1]
        if isinstance(address, tuple) or event == "socket.getaddrinfo":
            host = address[0] if isinstance(address, tuple) else address
            with open(os.environ["GUARD_LOG"], "a") as log:
                log.write(json.dumps(host.decode() if isinstance(host, bytes) else host) + chr(10))
sys.addaudithook(hook)
"""


@dataclass(frozen=True)
class Sdk:
    """A release of an official SDK, and an app of it."""

    requirements: tuple[str, ...]
    app: str
    named: str
    functions: tuple[str, ...]


MARKED = ("main.greet", "main.Counter")
# Apps of runpod_flash are guests: test_served_guests has them.
FIRST = Sdk(
    ("tetra-rp==0.25.2", "runpod==1.12.0"),
    FLASH.format(module="tetra_rp"),
    "tetra_rp 0.25.2",
    MARKED,
)
OTHERS = (Sdk(("runpod==2.0.0rc2",), APPS, "runpod 2.0.0rc2", ("shop/greet",)),)


def run(sdk: Sdk, folder: Path) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """A pytest run of its app, with a key in every place; and the hosts that it asked for."""
    site, log = folder / "site", folder / "hosts"
    files = {
        "site/sitecustomize.py": SITE,
        "home/.runpod/config.toml": f'[default]\napi_key = "{IN_HOME}"\n',
        "project/.env": f"RUNPOD_API_KEY={IN_DOTENV}\nRUNPOD_REST_API_URL=https://192.0.2.1\n",
        "project/main.py": sdk.app,
        "project/conftest.py": "import main\n",
        "project/test_app.py": TESTS,
        "project/pytest.ini": "[pytest]\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    official = official_python(sdk.requirements)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([official, "-c", where], capture_output=True, text=True, check=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            "-W",
            "ignore",
        ],
        cwd=folder / "project",
        env=clean_environment(
            PYTHONPATH=f"{site}:{ROOT}",
            OFFICIAL_SITE=found.stdout.strip(),
            GUARD_LOG=str(log),
            HOME=str(folder / "home"),
            RUNPOD_API_KEY=EXPORTED,
        ),
        capture_output=True,
        text=True,
        timeout=180,
    )
    return done, set(map(json.loads, log.read_text().splitlines()))


def test_an_official_app_is_refused_and_reaches_nothing(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for number, sdk in enumerate((FIRST, *(OTHERS if request.config.getoption("soak") else ()))):
        folder = tmp_path / str(number)
        done, hosts = run(sdk, folder)
        assert "1 passed, 1 error" in done.stdout, done.stdout
        assert f"{sdk.named} would run functions of this app on Runpod" in done.stdout
        for function in sdk.functions:
            assert f"{function} ({folder}/project/main.py:" in done.stdout
        assert hosts <= LOOPBACK, sdk
        key, url, variables = json.loads((folder / "project" / "seen.json").read_text())
        assert url.startswith("http://[::1]:1/")
        for secret in (EXPORTED, IN_DOTENV, IN_HOME):
            assert secret not in (key, *variables.values()), sdk
