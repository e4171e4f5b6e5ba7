"""Apps of official SDKs under pytest: refused and kept off the cloud, or left alone.

A run that is to learn what it uses is a fresh one: others have imported our modules before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.pytest_runs.official_stand_ins import APP, write_standins

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEY = "rpa_exported"
Passes = Callable[..., None]

# Written down when the test runs: what this run has set.
SETTINGS = """
import os, runpod_flash
def test_settings():
    assert os.environ["RUNPOD_API_KEY"] == "rpa_exported"
    urls = [name for name in os.environ if name.endswith("_URL")]
    assert not [name for name in urls if name.startswith(("RUNPOD_", "FLASH_"))]
    assert set(runpod_flash.SEEN.values()) == {None, "rpa_exported"}
"""


@pytest.fixture
def official(project: Any) -> Any:
    write_standins(project.folder)
    project.write("main.py", APP.replace("runpod_flash", "tetra_rp"))
    # Imported by whatever pytest imports first.
    project.write("conftest.py", "import main\n")
    return project


def test_an_app_of_an_sdk_is_refused_and_reaches_nothing(official: Any) -> None:
    official.write(
        "test_app.py",
        """
import asyncio, main, pytest

def test_of_the_app(flash_client):
    flash_client.get("/")

def test_without_a_fixture():
    with pytest.raises(OSError):
        asyncio.run(main.greet("x"))
""",
    )
    result = official.pytest(RUNPOD_API_KEY=KEY)
    result.assert_outcomes(errors=1, passed=1)
    text = "\n".join(result.outlines)
    assert "tetra_rp would run functions of this app on Runpod, which costs money" in text
    assert f"main.greet ({official.folder}/main.py:7)" in text
    assert "--flash-live" in text
    assert official.hosts() <= LOOPBACK


def test_an_app_that_a_test_makes_is_refused_too(official: Any) -> None:
    official.write("conftest.py", "")
    official.write(
        "test_app.py",
        """
import pytest
import main

@pytest.fixture(scope="session")
def flash_app(flash_session):
    return main.app

def test_of_the_app(flash_client):
    flash_client.get("/")
""",
    )
    result = official.pytest(RUNPOD_API_KEY=KEY)
    result.assert_outcomes(errors=1)
    assert "would run functions of this app on Runpod" in "\n".join(result.outlines)
    assert official.hosts() <= LOOPBACK


@pytest.mark.parametrize("where", ["conftest.py", "test_before.py"])
def test_an_environment_that_is_brought_back_is_so_for_no_test(
    official: Any, passes: Passes, where: str
) -> None:
    """The SDK was imported while the environment was a copy."""
    importing = "import os\nfrom unittest import mock\nwith mock.patch.dict(os.environ):\n"
    official.write("conftest.py", "")
    official.write(where, f"{importing}    import main\n")
    official.write(
        "test_later.py",
        """
import os, pytest

@pytest.fixture
def original(flash_config):
    os.environ["RUNPOD_API_KEY"] = "rpa_exported"
    for name in [n for n in os.environ if n.startswith("RUNPOD_") and n.endswith("_URL")]:
        del os.environ[name]

def test_the_next():
    assert os.environ["RUNPOD_API_KEY"] == "pytest-flash-is-not-live"
    assert os.environ["RUNPOD_API_BASE_URL"].startswith("http://127.0.0.1:1/")

def test_after_a_fixture(original):
    test_the_next()
""",
    )
    passes(official.pytest(RUNPOD_API_KEY=KEY), passed=2)


@pytest.mark.parametrize("sdk", ["runpod_flash", "runpod"])
def test_a_run_that_uses_nothing_of_ours_is_left_alone(
    official: Any, passes: Passes, sdk: str
) -> None:
    official.write("test_app.py", SETTINGS)
    if sdk == "runpod":
        official.write("conftest.py", "import runpod\n")
        client = "assert runpod.endpoint_url_base == 'https://api.runpod.ai/v2'"
        official.write(
            "test_app.py",
            f"import os, runpod\ndef test_it(flash_session):\n    {client}\n"
            "    assert os.environ['RUNPOD_API_KEY'] == 'rpa_exported' == runpod.api_key\n",
        )
    passes(official.pytest(fresh=True, RUNPOD_API_KEY=KEY), passed=1)


REFUSED = """
def test_refused():
    try:
        asyncio.run(main.greet("x"))
    except OSError as error:
        assert type(error.reason) is ConnectionRefusedError
    else:
        raise AssertionError("the SDK's request was answered")
"""


@pytest.mark.parametrize(
    ("where", "workers"),
    [("conftest.py", ()), ("conftest.py", ("-n2",)), ("test_app.py", ("-n2",))],
)
def test_the_flash_sdk_is_led_to_the_emulator_of_the_run(
    official: Any,
    passes: Passes,
    where: str,
    workers: tuple[str, ...],
    request: pytest.FixtureRequest,
) -> None:
    """Which starts later, if a test asks for it: until then its address refuses."""
    if where == "test_app.py" and not request.config.getoption("soak"):
        pytest.skip("an SDK that each worker imports by itself: with --soak")
    official.write("main.py", APP)
    official.write("conftest.py", "")
    test = """
import asyncio, main, os, runpod_flash

def test_led(flash_session, flash_app):
    target = flash_session.target
    assert runpod_flash.SEEN["RUNPOD_API_BASE_URL"] == target.management_url
    assert runpod_flash.SEEN["RUNPOD_ENDPOINT_BASE_URL"] == target.queue_url
    assert runpod_flash.SEEN["RUNPOD_API_KEY"] == target.api_key
    assert os.environ["FLASH_IS_LIVE_PROVISIONING"] == "true"
"""
    if not workers:  # Else another one may have asked for the emulator.
        test = test.replace("def test_led", f"{REFUSED}\ndef test_led")
    if where != "test_app.py":
        official.write(where, "import main\n")
    for number in range(2 if workers else 1):
        official.write(f"test_app{number}.py", test)
    arguments = (*workers, "--dist", "loadfile") if workers else ()
    result = official.pytest(*arguments, fresh=bool(workers), RUNPOD_API_KEY=KEY)
    passes(result, passed=2)
    assert official.hosts() <= LOOPBACK


def test_live_leaves_the_app_alone(official: Any, passes: Passes) -> None:
    urls = dict.fromkeys(("RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL"), "http://127.0.0.1:9")
    official.write(
        "test_app.py",
        "import os, tetra_rp\n"
        "def test_it(flash_config):\n"
        f"    assert {urls!r}.items() <= os.environ.items()\n"
        "    assert tetra_rp.SEEN['RUNPOD_HAPI_URL'] is None\n"
        "    assert os.environ['RUNPOD_API_KEY'] == 'rpa_exported'\n",
    )
    passes(official.pytest("--flash-live", RUNPOD_API_KEY=KEY, **urls), passed=1)


@pytest.mark.parametrize("how", ["ini", "fixture in a plugin"])
def test_what_was_imported_before_anything_told_of_us(official: Any, how: str) -> None:
    """An ini file tells in time; a fixture that only a module of helpers mentions does not."""
    official.write("helpers/__init__.py", "")
    official.write(
        "helpers/fixtures.py",
        "import pytest\n@pytest.fixture\ndef client(flash_client):\n    return flash_client\n",
    )
    official.write("tests/conftest.py", 'import main\npytest_plugins = ["helpers.fixtures"]\n')
    (Path(official.folder) / "conftest.py").unlink()
    official.write("tests/test_app.py", "def test_of_the_app(client):\n    client.get('/')\n")
    ini = "flash_app = main.py\n" if how == "ini" else ""
    official.write("pytest.ini", f"[pytest]\npythonpath = .\nfilterwarnings = error\n{ini}")
    result = official.pytest("tests", fresh=how != "ini", RUNPOD_API_KEY=KEY)
    text = "\n".join([*result.outlines, *result.errlines])
    if how == "ini":
        result.assert_outcomes(errors=1)
        assert "would run functions of this app on Runpod" in text
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "tetra_rp was imported before it could be known" in text
        assert "flash_app" in text
    assert official.hosts() <= LOOPBACK
