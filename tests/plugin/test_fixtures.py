"""The fixtures, in pytest runs of a downstream project that has several apps."""

from __future__ import annotations

import pytest

from tests.support.downstream import APP, Project
from tests.support.innerrun import InnerRun
from tests.support.typed import EVERYTHING

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

# Where flash_app in pytest.ini names this file, since it is none that would be found without.
SHOP = """
import os
import main

app = main.FastAPI(title=os.environ["SHOP_NAME"])
app.include_router(main.app.router)
"""

CALL = """
import os

def test_double(flash_client, flash_server, flash_app, flash_endpoints):
    import shop
    answer = flash_client.get("/double/21")
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == 42
    assert answer.json()["pid"] != os.getpid()
    assert flash_server.url == f"http://127.0.0.1:{flash_server.port}"
    assert flash_server.app is flash_app is shop.app
    assert list(flash_endpoints) == ["gpu"]
    assert flash_endpoints["gpu"].name == "live-gpu"
"""

DIRECT = """
import asyncio
import main

def test_direct(flash_endpoints):
    assert asyncio.run(main.double(2))["value"] == 4

def test_again_on_another_loop(flash_endpoints):
    async def both():
        return await asyncio.gather(main.double(1), main.double(2))
    assert [each["value"] for each in asyncio.run(both())] == [2, 4]

def test_async_client(flash_async_client):
    async def get():
        async with flash_async_client as client:
            return await client.get("/double/3")
    assert asyncio.run(get()).json()["value"] == 6
"""

ERROR = """
import asyncio
import pytest
from pytest_flash import LiveServerless, remote
from pytest_flash.errors import RemoteError

@remote(LiveServerless(name="gpu"))
def fails(x):
    return 1 / x

def test_it(flash_endpoints):
    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(fails(0))
    assert isinstance(caught.value, RemoteError)
    assert f'File "{__file__}", line 9, in fails' in caught.value.remote_traceback
    assert "return 1 / x" in caught.value.remote_traceback
"""

DIES = """
import asyncio, time
import pytest
from pytest_flash import LiveServerless, remote
from pytest_flash.errors import JobFailedError

@remote(LiveServerless(name="gpu"))
def die(how):
    import os, signal
    if how == "exit":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()

@pytest.mark.parametrize("how", ["exit", "kill"])
def test_it(flash_endpoints, how):
    asyncio.run(die("live"))
    started = time.monotonic()
    with pytest.raises(JobFailedError) as caught:
        asyncio.run(die(how))
    assert time.monotonic() - started < 300  # Not the 600 s that it may take.
    assert ("7" if how == "exit" else "SIGKILL") in str(caught.value)
    assert asyncio.run(die("live"))
"""

PACKAGES = """
import asyncio
import click
import pytest
from pytest_flash import CpuLiveServerless, LiveServerless, remote

gpu = LiveServerless(name="gpu")
cpu = CpuLiveServerless(name="cpu")

@remote(gpu)
def at_the_top():
    return click.__name__

@remote(cpu)
def takes(value):
    return value

@remote(cpu)
def inside():
    import pydantic
    return pydantic.__name__

@remote(gpu, dependencies=["click"])
def declared():
    return click.__name__

@remote(cpu, dependencies=["pydantic>=2"])
def declared_with_what_it_needs():
    from pydantic import BaseModel
    class M(BaseModel):
        x: int
    return M(x="3").x

@pytest.mark.parametrize("function, package", [(at_the_top, "click"), (inside, "pydantic")])
def test_undeclared(flash_endpoints, function, package):
    with pytest.raises(ModuleNotFoundError) as caught:
        asyncio.run(function())
    assert f"dependencies=['{package}']" in str(caught.value)
    assert __file__ in str(caught.value)

def test_undeclared_through_an_argument(flash_endpoints):
    with pytest.raises(ModuleNotFoundError, match="dependencies=.'httpx'."):
        import httpx
        asyncio.run(takes(httpx.URL("http://x")))

def test_a_wrong_call_is_a_type_error(flash_endpoints):
    with pytest.raises(TypeError):
        asyncio.run(takes())

def test_declared(flash_endpoints):
    assert asyncio.run(declared()) == "click"
    assert asyncio.run(declared_with_what_it_needs()) == 3
"""

OVERRIDDEN = """
import pytest
from fastapi import FastAPI

@pytest.fixture(scope="session")
def flash_app():
    app = FastAPI()
    @app.get("/")
    def index():
        return "mine"
    return app

def test_it(flash_client):
    assert flash_client.get("/").json() == "mine"
"""

MISSING = """
import dataclasses, pathlib
import pytest

@pytest.fixture(scope="session")
def flash_config(flash_config, tmp_path_factory):
    return dataclasses.replace(flash_config, app=None, root=tmp_path_factory.mktemp("empty"))

def test_missing(flash_client):
    pass
"""

BROKEN = """
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def life(app):
    raise OSError("no disk")
    yield

app = FastAPI(lifespan=life)
"""
STARTS_BROKEN = """
import broken, pytest

@pytest.fixture(scope="session")
def flash_app():
    return broken.app

def test_broken(flash_client):
    pass
"""

DOTENV = """
import os

def test_title(flash_app):
    assert flash_app.title == os.environ["SHOP_NAME"] == "till"
"""
NO_TRACE = """
import os

def pytest_unconfigure():
    assert "SHOP_NAME" not in os.environ
"""

FOLDER_APP = """
import pytest
from fastapi import FastAPI
import main

@pytest.fixture(scope="session")
def flash_app():
    app = FastAPI()
    @app.get("/")
    async def index():
        return [{name!r}, (await main.double(1))["value"]]
    return app
"""
FOLDER_TESTS = """
def test_client(flash_client, flash_jobs):
    assert flash_client.get("/").json() == [{name!r}, 2]
    assert len(flash_jobs) == 1

def test_server(flash_server, flash_app):
    assert flash_server.app is flash_app
"""
SLOW_CONFIG = """
import dataclasses, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, startup_timeout=44.0)
"""
# The default app's, in a run where EXPECTED names its module.
DEFAULT_APP = """
import importlib, os

def test_it(flash_client, flash_server, flash_config):
    assert flash_server.app is importlib.import_module(os.environ["EXPECTED"]).app
    assert flash_client.get("/double/1").json()["value"] == 2
    assert flash_config.startup_timeout == {timeout}
    assert flash_client.timeout.read == {timeout} + 600
"""


@pytest.fixture(scope="module")
def shop(shared_project: Project) -> Project:
    """A project with an app of its own in two folders, and a third of other settings."""
    shared_project.write("main.py", APP)
    shared_project.write("shop.py", SHOP)
    shared_project.write(".env", "SHOP_NAME=till\n")
    shared_project.write("conftest.py", NO_TRACE)
    shared_project.write("pytest.ini", "[pytest]\nfilterwarnings = error\nflash_app = shop.py\n")
    for name in ("one", "two"):
        shared_project.write(f"{name}/conftest.py", FOLDER_APP.format(name=name))
        shared_project.write(f"{name}/test_{name}.py", FOLDER_TESTS.format(name=name))
    shared_project.write("slow/conftest.py", SLOW_CONFIG)
    shared_project.write("slow/test_slow.py", DEFAULT_APP.format(timeout=44))
    shared_project.write("test_top.py", DEFAULT_APP.format(timeout=60))
    return shared_project


@pytest.fixture(scope="module")
def run(shop: Project) -> InnerRun:
    """A run of all files, and of the folders in an order that returns to an app."""
    shop.write("broken.py", BROKEN)
    sources = {
        "test_everything": EVERYTHING,  # First, while there is only the app's endpoint.
        "test_call": CALL,
        "test_direct": DIRECT,
        "test_error": ERROR,
        "test_dies": DIES,
        "test_packages": PACKAGES,
        "test_overridden": OVERRIDDEN,
        "test_missing": MISSING,
        "test_broken": STARTS_BROKEN,
        "test_dotenv": DOTENV,
    }
    for name, source in sources.items():
        shop.write(f"{name}.py", source)
    one = "one/test_one.py"
    folders = [f"{one}::test_client", "slow", "two", "test_top.py", f"{one}::test_server"]
    files = [f"{name}.py" for name in sources]
    return shop.report("--import-mode=importlib", *files, *folders, env={"EXPECTED": "shop"})


@pytest.fixture(scope="module")
def folders(shop: Project) -> InnerRun:
    """A run of the folders in another order, with an app that an option names."""
    workers = ["-n1"] if "xdist" in shop.python.modules else []
    names = ["two", "one", "test_top.py", "slow"]
    return shop.report(
        "-p", "no:randomly", *workers, "--flash-app=main:app", *names, env={"EXPECTED": "main"}
    )


def test_a_call_goes_through_the_server_to_a_worker(run: InnerRun, shop: Project) -> None:
    run.check("test_call", passed=1)
    assert shop.hosts() <= LOOPBACK


def test_every_fixture_is_of_the_type_that_is_exported(run: InnerRun) -> None:
    run.check("test_everything", passed=1)


def test_remote_functions_can_be_called_directly_and_asynchronously(run: InnerRun) -> None:
    run.check("test_direct", passed=3)


def test_a_remote_error_keeps_its_type(run: InnerRun) -> None:
    run.check("test_error", passed=1)


def test_a_worker_that_dies_fails_its_job_and_the_next_call_works(run: InnerRun) -> None:
    run.check("test_dies", passed=2)


def test_undeclared_packages_are_missing_and_declared_ones_are_there(run: InnerRun) -> None:
    run.check("test_packages", passed=5)


def test_the_app_can_be_overridden(run: InnerRun) -> None:
    run.check("test_overridden", passed=1)


def test_each_folder_may_override_app_and_configuration(run: InnerRun, folders: InnerRun) -> None:
    for each in (run, folders):
        each.check("one.test_one", passed=2)
        each.check("slow.test_slow", passed=1)
        each.check("two.test_two", passed=2)
        each.check("test_top", passed=1)


def test_the_app_is_named_by_option_over_ini(run: InnerRun, folders: InnerRun) -> None:
    run.check("test_top", passed=1)
    folders.check("test_top", passed=1)
    assert "flash: emulator, app=shop.py (from ini)" in run.result.outlines
    assert "flash: emulator, app=main:app (from --flash-app)" in folders.result.outlines


def test_an_app_that_is_missing_is_an_error_with_the_next_step(run: InnerRun) -> None:
    run.check("test_missing", errors=1)
    shown = run.failure("ERROR at setup of test_missing")
    assert "main.py, app.py, server.py" in shown
    assert "pytest_flash/" not in shown


def test_a_lifespan_that_fails_shows_the_apps_traceback(run: InnerRun) -> None:
    run.check("test_broken", errors=1)
    shown = run.failure("ERROR at setup of test_broken")
    assert "the app did not start" in shown
    assert "OSError: no disk" in shown
    assert "broken.py" in shown
    assert "pytest_flash/" not in shown
    assert run.text.count("OSError: no disk") == 1


def test_the_app_sees_its_dotenv_and_the_session_leaves_no_trace(run: InnerRun) -> None:
    run.check("test_dotenv", passed=1)
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED  # By those tests that are to fail.
    assert "SHOP_NAME" not in "\n".join(run.result.errlines)
