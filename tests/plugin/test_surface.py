"""Options, variables, ini keys, the header, markers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Passes = Callable[..., None]
NOTHING = "def test_it():\n    pass\n"
KEY = {"RUNPOD_API_KEY": "a-key-that-must-not-be-used"}


def text(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def ini(project: Any, **values: object) -> None:
    lines = [f"{name} = {value}" for name, value in values.items()]
    project.write("pytest.ini", "\n".join(["[pytest]", *lines, ""]))


def header(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("flash:")]


def test_nothing_is_said_where_nothing_is_configured(project: Any, passes: Passes) -> None:
    project.write("test_app.py", NOTHING)
    result = project.pytest()
    passes(result, passed=1)
    assert header(result) == []


def test_the_header_says_which_source_won(project: Any) -> None:
    project.write("test_app.py", NOTHING)
    ini(project, flash_app="shop.main:app")
    app = {"PYTEST_FLASH_APP": "till:app"}

    assert header(project.pytest()) == ["flash: emulator, app=shop.main:app (from ini)"]
    by_variable = project.pytest(**app)
    assert header(by_variable) == ["flash: emulator, app=till:app (from PYTEST_FLASH_APP)"]
    by_option = project.pytest("--flash-app", "cart:app", **app)
    assert header(by_option) == ["flash: emulator, app=cart:app (from --flash-app)"]


def test_the_startup_timeout_is_configured_the_same_way(project: Any) -> None:
    project.write("test_app.py", NOTHING)
    ini(project, flash_startup_timeout="7.5")
    limit = {"PYTEST_FLASH_STARTUP_TIMEOUT": "8"}

    assert header(project.pytest()) == ["flash: emulator, startup-timeout=7.5 s (from ini)"]
    by_variable = header(project.pytest(**limit))
    assert by_variable == [
        "flash: emulator, startup-timeout=8 s (from PYTEST_FLASH_STARTUP_TIMEOUT)"
    ]
    by_option = header(project.pytest("--flash-startup-timeout=9", **limit))
    assert by_option == ["flash: emulator, startup-timeout=9 s (from --flash-startup-timeout)"]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan"])
def test_a_startup_timeout_that_is_none_is_a_usage_error(project: Any, value: str) -> None:
    project.write("test_app.py", NOTHING)
    result = project.pytest(f"--flash-startup-timeout={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{value!r} (from --flash-startup-timeout)" in text(result)


def test_ini_files_hold_numbers_and_nothing_else(project: Any) -> None:
    project.write("test_app.py", NOTHING)
    (project.folder / "pytest.ini").unlink()
    project.write("pyproject.toml", "[tool.pytest.ini_options]\nflash_startup_timeout = 7.5\n")
    assert header(project.pytest()) == ["flash: emulator, startup-timeout=7.5 s (from ini)"]
    (project.folder / "pyproject.toml").unlink()
    for value, problem in (("soon", "'soon'"), ("0", "must be a number of seconds above 0")):
        ini(project, flash_startup_timeout=value)
        result = project.pytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert problem in text(result)


def test_the_namespace_is_checked_and_told_at_once(project: Any) -> None:
    project.write("test_app.py", NOTHING)
    result = project.pytest("--flash-namespace=Not This")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "namespace 'Not This' (--flash-namespace) must be" in text(result)
    result = project.pytest("--flash-namespace=anna", FLASH_NAMESPACE="bob")
    assert header(result) == ["flash: emulator, namespace=anna (from --flash-namespace)"]


def test_a_limit_below_zero_is_a_usage_error(project: Any) -> None:
    project.write("test_app.py", NOTHING)
    result = project.pytest("--flash-max-endpoints=-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--flash-max-endpoints must be 0 or more" in text(result)


def test_the_startup_timeout_cuts_a_lifespan_that_hangs(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        "import asyncio\nfrom contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def life(app):\n    await asyncio.sleep(600)\n    yield\n"
        "app = FastAPI(lifespan=life)\n",
    )
    project.write("test_app.py", "def test_it(flash_client):\n    pass\n")
    result = project.pytest("--flash-startup-timeout=2")
    passes(result, errors=1)
    assert "the app did not start within 2 s" in text(result)
    main = project.folder / "main.py"
    assert "the app's lifespan: for " in text(result)
    assert f"{main}:6 in life: await asyncio.sleep(600)" in text(result)


def test_the_options_stand_in_one_group(project: Any) -> None:
    lines = project.pytest("--help").outlines
    start = lines.index("FastAPI apps with Runpod functions (pytest-flash):")
    group = "\n".join(lines[start : lines.index("", start)])
    for option in ("live", "app", "keep", "namespace", "max-endpoints", "startup-timeout"):
        assert f"--flash-{option}" in group


def test_markers_are_registered_and_choose_by_target(
    project: Any, passes: Passes, variables: dict[str, str]
) -> None:
    project.write(
        "test_app.py",
        "import pytest\n"
        "@pytest.mark.flash_live\ndef test_live():\n    pass\n"
        "@pytest.mark.flash_emulator\nclass TestEmulator:\n    def test_it(self):\n        pass\n"
        "def test_both():\n    pass\n",
    )
    result = project.pytest("--strict-markers", "-rs")
    passes(result, passed=2, skipped=1)
    assert "runs on Runpod, which costs money: needs --flash-live" in text(result)
    result = project.pytest("--strict-markers", "-rs", "--flash-live", **variables)
    passes(result, passed=2, skipped=1)
    assert "runs on the embedded Runpod only, not with --flash-live" in text(result)
    assert "@pytest.mark.flash_live: runs on Runpod only" in text(project.pytest("--markers"))


def test_the_configuration_can_be_overridden(project: Any, passes: Passes) -> None:
    project.write(
        "other.py",
        "from fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/')\ndef index(): return 'other'\n",
    )
    project.write(
        "conftest.py",
        "import dataclasses, pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def flash_config(flash_config):\n"
        "    return dataclasses.replace(flash_config, app='other:app', startup_timeout=33.0)\n",
    )
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n"
        "    assert flash_client.get('/').json() == 'other'\n"
        "    assert flash_client.timeout.read == 33\n",
    )
    passes(project.pytest(), passed=1)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_live_through_the_configuration_ends_the_run(
    project: Any, workers: tuple[str, ...]
) -> None:
    project.write(
        "conftest.py",
        "import dataclasses, pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def flash_config(flash_config):\n"
        "    return dataclasses.replace(flash_config, live=True)\n",
    )
    project.write("test_app.py", "def test_live(flash_endpoints):\n    pass\n" + NOTHING)
    result = project.pytest(*workers, **KEY)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "flash_config decides nothing about --flash-live" in text(result)
    assert project.hosts() <= {"127.0.0.1"}


def test_a_client_waits_as_long_as_the_slowest_function_may_run(
    project: Any, passes: Passes
) -> None:
    project.write(
        "main.py",
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        "app = FastAPI()\n"
        "@remote(LiveServerless(name='a', executionTimeoutMs=5_000))\ndef quick(): pass\n"
        "@remote(LiveServerless(name='b', executionTimeoutMs=90_000))\ndef slow(): pass\n",
    )
    project.write(
        "test_app.py",
        "def test_it(flash_client, flash_async_client):\n"
        "    assert flash_client.timeout.read == 90 + 60\n"
        "    assert flash_async_client.timeout == flash_client.timeout\n",
    )
    passes(project.pytest(), passed=1)
