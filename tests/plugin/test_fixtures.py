"""The fixtures, in a pytest run of a downstream project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Passes = Callable[..., None]


def test_a_call_goes_through_the_server_to_a_worker(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
import os

def test_double(flash_client, flash_server, flash_app, flash_endpoints):
    answer = flash_client.get("/double/21")
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == 42
    assert answer.json()["pid"] != os.getpid()
    assert flash_server.url == f"http://127.0.0.1:{flash_server.port}"
    assert flash_server.app is flash_app
    assert list(flash_endpoints) == ["gpu"]
    assert flash_endpoints["gpu"].name == "live-gpu"
""",
    )
    passes(project.pytest(), passed=1)
    assert project.hosts() <= LOOPBACK


def test_remote_functions_can_be_called_directly_and_asynchronously(
    project: Any, passes: Passes
) -> None:
    project.write(
        "test_app.py",
        """
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
""",
    )
    passes(project.pytest(), passed=3)


def test_a_remote_error_keeps_its_type(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
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
""",
    )
    passes(project.pytest(), passed=1)


def test_a_worker_that_dies_fails_its_job_and_the_next_call_works(
    project: Any, passes: Passes
) -> None:
    project.write(
        "test_app.py",
        """
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
    assert time.monotonic() - started < 60  # Not the 600 s that it may take.
    assert ("7" if how == "exit" else "SIGKILL") in str(caught.value)
    assert asyncio.run(die("live"))
""",
    )
    passes(project.pytest(), passed=2)


def test_undeclared_packages_are_missing_and_declared_ones_are_there(
    project: Any, passes: Passes
) -> None:
    project.write(
        "test_app.py",
        """
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
""",
    )
    passes(project.pytest(), passed=5)


def test_the_app_can_be_overridden(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        """
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
""",
    )
    passes(project.pytest(), passed=1)


def test_each_folder_may_override_app_and_configuration(project: Any, passes: Passes) -> None:
    for name in ("one", "two"):
        (project.folder / name).mkdir()
        project.write(
            f"{name}/conftest.py",
            f"""
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
""",
        )
        project.write(
            f"{name}/test_{name}.py",
            f"""
import httpx

def test_client(flash_client, flash_jobs):
    assert flash_client.get("/").json() == [{name!r}, 2]
    assert len(flash_jobs) == 1

def test_server(flash_server, flash_app):
    assert flash_server.app is flash_app
""",
        )
    (project.folder / "slow").mkdir()
    project.write(
        "slow/conftest.py",
        """
import dataclasses, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, startup_timeout=44.0)
""",
    )
    project.write(
        "slow/test_slow.py",
        """
import main

def test_it(flash_client, flash_server, flash_config):
    assert flash_server.app is main.app
    assert flash_client.get("/double/1").json()["value"] == 2
    assert flash_config.startup_timeout == 44
    assert flash_client.timeout.read == 44 + 600
""",
    )
    project.write(
        "test_top.py",
        """
import main

def test_it(flash_client, flash_server):
    assert flash_server.app is main.app
    assert flash_client.timeout.read == 60 + 600
""",
    )
    one = "one/test_one.py"
    order = [f"{one}::test_client", "slow", "two", "test_top.py", f"{one}::test_server"]
    passes(project.pytest("--import-mode=importlib", *order), passed=6)
    result = project.pytest("-p", "no:randomly", "two", "one", "test_top.py", "slow", "-n1")
    passes(result, passed=6)


def test_the_app_is_named_by_option_over_ini(project: Any, passes: Passes) -> None:
    for name in ("one", "two"):
        project.write(
            f"{name}.py",
            "from fastapi import FastAPI\napp = FastAPI()\n"
            f"@app.get('/')\ndef index(): return {name!r}\n",
        )
    project.write("pytest.ini", "[pytest]\nflash_app = one.py\n")
    project.write(
        "test_app.py",
        "import os\ndef test_it(flash_client):\n"
        "    assert flash_client.get('/').json() == os.environ['EXPECTED']\n",
    )
    passes(project.pytest(EXPECTED="one"), passed=1)
    result = project.pytest("--flash-app", "two:app", EXPECTED="two")
    passes(result, passed=1)
    assert "flash: emulator, app=two:app (from --flash-app)" in result.outlines


def test_an_app_that_is_missing_is_an_error_with_the_next_step(project: Any) -> None:
    (project.folder / "main.py").unlink()
    project.write("test_app.py", "def test_it(flash_client): pass\n")
    result = project.pytest()
    assert result.ret == 1
    assert "main.py, app.py, server.py" in "\n".join(result.outlines)
    assert "pytest_flash/" not in "\n".join(result.outlines)


def test_a_lifespan_that_fails_shows_the_apps_traceback(project: Any) -> None:
    project.write(
        "main.py",
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def life(app):\n    raise OSError('no disk')\n    yield\n"
        "app = FastAPI(lifespan=life)\n",
    )
    project.write("test_app.py", "def test_it(flash_client): pass\n")
    text = "\n".join(project.pytest().outlines)
    assert "the app did not start" in text
    assert "OSError: no disk" in text
    assert "main.py" in text
    assert "pytest_flash/" not in text
    assert text.count("OSError: no disk") == 1


def test_the_app_sees_its_dotenv_and_the_session_leaves_no_trace(
    project: Any, passes: Passes
) -> None:
    project.write(".env", "SHOP_NAME=till\n")
    project.write(
        "main.py",
        "import os\nfrom fastapi import FastAPI\napp = FastAPI(title=os.environ['SHOP_NAME'])\n",
    )
    project.write(
        "conftest.py",
        "import os\ndef pytest_unconfigure():\n    assert 'SHOP_NAME' not in os.environ\n",
    )
    project.write("test_app.py", "def test_it(flash_app):\n    assert flash_app.title == 'till'\n")
    passes(project.pytest(), passed=1)
