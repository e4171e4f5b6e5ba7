"""Options, variables, ini keys, the header, markers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.pytest_runs.downstream import Project
from tests.support.pytest_runs.inner_run import InnerRun, text

InProcess = Callable[..., pytest.RunResult]
Passes = Callable[..., None]

NOTHING = "def test_it():\n    pass\n"
KEY = {"RUNPOD_API_KEY": "a-key-that-must-not-be-used"}
# Nobody is asked: what is live is chosen before anything is opened.
LIVE = {
    **KEY,
    "RUNPOD_API_BASE_URL": "http://127.0.0.1:1/api",
    "RUNPOD_ENDPOINT_BASE_URL": "http://127.0.0.1:1/queue",
}


@pytest.fixture
def nothing(project: Project) -> Project:
    """A project with one test, which asks for nothing."""
    project.write("test_app.py", NOTHING)
    return project


def ini(project: Project, **values: object) -> None:
    lines = [f"{name} = {value}" for name, value in values.items()]
    project.write("pytest.ini", "\n".join(["[pytest]", *lines, ""]))


def header(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("flash:")]


def test_nothing_is_said_where_nothing_is_configured(
    nothing: Project, in_process: InProcess, passes: Passes
) -> None:
    result = in_process()
    passes(result, passed=1)
    assert header(result) == []


def test_the_header_says_which_source_won(nothing: Project, in_process: InProcess) -> None:
    ini(nothing, flash_app="shop.main:app")
    app = {"PYTEST_FLASH_APP": "till:app"}

    assert header(in_process()) == ["flash: emulator, app=shop.main:app (from ini)"]
    by_variable = in_process(env=app)
    assert header(by_variable) == ["flash: emulator, app=till:app (from PYTEST_FLASH_APP)"]
    by_option = in_process("--flash-app", "cart:app", env=app)
    assert header(by_option) == ["flash: emulator, app=cart:app (from --flash-app)"]


def test_the_startup_timeout_is_configured_the_same_way(
    nothing: Project, in_process: InProcess
) -> None:
    ini(nothing, flash_startup_timeout="7.5")
    limit = {"PYTEST_FLASH_STARTUP_TIMEOUT": "8"}

    assert header(in_process()) == ["flash: emulator, startup-timeout=7.5 s (from ini)"]
    by_variable = header(in_process(env=limit))
    assert by_variable == [
        "flash: emulator, startup-timeout=8 s (from PYTEST_FLASH_STARTUP_TIMEOUT)"
    ]
    by_option = header(in_process("--flash-startup-timeout=9", env=limit))
    assert by_option == ["flash: emulator, startup-timeout=9 s (from --flash-startup-timeout)"]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan"])
def test_an_invalid_startup_timeout_is_a_usage_error(
    nothing: Project, in_process: InProcess, value: str
) -> None:
    result = in_process(f"--flash-startup-timeout={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{value!r} (from --flash-startup-timeout)" in text(result)


def test_ini_files_hold_numbers_and_nothing_else(nothing: Project, in_process: InProcess) -> None:
    (nothing.folder / "pytest.ini").unlink()
    nothing.write("pyproject.toml", "[tool.pytest.ini_options]\nflash_startup_timeout = 7.5\n")
    assert header(in_process()) == ["flash: emulator, startup-timeout=7.5 s (from ini)"]
    (nothing.folder / "pyproject.toml").unlink()
    for value, problem in (("soon", "'soon'"), ("0", "must be a number of seconds above 0")):
        ini(nothing, flash_startup_timeout=value)
        result = in_process()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert problem in text(result)


def test_the_namespace_is_checked_and_shown_at_once(
    nothing: Project, in_process: InProcess
) -> None:
    result = in_process("--flash-namespace=Not This")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "namespace 'Not This' (--flash-namespace) must be" in text(result)
    result = in_process("--flash-namespace=anna", env={"FLASH_NAMESPACE": "bob"})
    assert header(result) == ["flash: emulator, namespace=anna (from --flash-namespace)"]


def test_a_limit_below_zero_is_a_usage_error(nothing: Project, in_process: InProcess) -> None:
    result = in_process("--flash-max-endpoints=-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--flash-max-endpoints must be 0 or more" in text(result)


def test_the_options_stand_in_one_group(nothing: Project, in_process: InProcess) -> None:
    lines = in_process("--help").outlines
    start = lines.index("FastAPI apps with Runpod functions (pytest-flash):")
    group = "\n".join(lines[start : lines.index("", start)])
    for option in ("live", "app", "keep", "namespace", "max-endpoints", "startup-timeout"):
        assert f"--flash-{option}" in group


def test_markers_are_registered_and_choose_by_target(
    project: Project, in_process: InProcess, passes: Passes
) -> None:
    project.write(
        "test_app.py",
        """
        import pytest

        @pytest.mark.flash_live
        def test_live():
            pass

        @pytest.mark.flash_emulator
        class TestEmulator:
            def test_it(self):
                pass

        def test_both():
            pass
        """,
    )
    result = in_process("--strict-markers", "-rs")
    passes(result, passed=2, skipped=1)
    assert "runs on Runpod, which costs money: needs --flash-live" in text(result)
    result = in_process("--strict-markers", "-rs", "--flash-live", env=LIVE)
    passes(result, passed=2, skipped=1)
    assert "runs on the embedded Runpod only, not with --flash-live" in text(result)
    assert "@pytest.mark.flash_live: runs on Runpod only" in text(in_process("--markers"))


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_live_through_the_configuration_ends_the_run(
    nothing: Project, workers: tuple[str, ...]
) -> None:
    nothing.write(
        "conftest.py",
        """
        import dataclasses, pytest

        @pytest.fixture(scope="session")
        def flash_config(flash_config):
            return dataclasses.replace(flash_config, live=True)
        """,
    )
    nothing.write("test_app.py", "def test_live(flash_endpoints):\n    pass\n" + NOTHING)
    result = nothing.pytest(*workers, env=KEY)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "flash_config decides nothing about --flash-live" in text(result)
    assert nothing.hosts() <= {"127.0.0.1"}


PATIENCE = """
def test_it(flash_client, flash_async_client):
    assert flash_client.timeout.read == 90 + 60
    assert flash_async_client.timeout == flash_client.timeout
"""
SLOW = """
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="a", executionTimeoutMs=5_000))
def quick():
    pass

@remote(LiveServerless(name="b", executionTimeoutMs=90_000))
def slow():
    pass
"""

OVERRIDDEN = """
import dataclasses, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, app="other:app", startup_timeout=33.0)

def test_it(flash_client):
    assert flash_client.get("/").json() == "other"
    assert flash_client.timeout.read == 90 + 33
"""
OTHER = """
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
def index():
    return "other"
"""

HANGS = """
import dataclasses, pytest

@pytest.fixture(scope="session")
def flash_config(flash_config):
    return dataclasses.replace(flash_config, app="hanging:app", startup_timeout=1.0)

def test_hangs(flash_client):
    pass
"""
HANGING = """\
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def life(app):
    await asyncio.sleep(600)
    yield

app = FastAPI(lifespan=life)
"""


@pytest.fixture(scope="module")
def run(shared_project: Project) -> InnerRun:
    """A run of tests that configure the app and the time it gets, each file in its own way."""
    shared_project.write("main.py", SLOW)
    shared_project.write("other.py", OTHER)
    shared_project.write("hanging.py", HANGING)
    shared_project.write("test_patience.py", PATIENCE)
    shared_project.write("test_overridden.py", OVERRIDDEN)
    shared_project.write("test_hangs.py", HANGS)
    # The first starts the emulator, for which it allows the usual time.
    return shared_project.report("test_patience.py", "test_overridden.py", "test_hangs.py")


def test_a_client_waits_as_long_as_the_slowest_function_may_run(run: InnerRun) -> None:
    run.check("test_patience", passed=1)


def test_the_configuration_can_be_overridden(run: InnerRun) -> None:
    run.check("test_overridden", passed=1)


def test_the_startup_timeout_cuts_a_lifespan_that_hangs(
    run: InnerRun, shared_project: Project
) -> None:
    run.check("test_hangs", errors=1)
    shown = run.failure("ERROR at setup of test_hangs")
    assert "the app did not start within 1 s" in shown
    where = f"{shared_project.folder / 'hanging.py'}:7 in life: await asyncio.sleep(600)"
    assert "the app's lifespan: for " in shown
    assert where in shown
