"""The pytest plugin: options, markers and hooks. The fixtures are in ``fixtures``.

Loaded by every pytest run on the machine, so it imports nothing that pytest has not, and keeps
out of assertion rewriting: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .fixtures import (
    TEST_FILES,
    flash_app,
    flash_async_client,
    flash_client,
    flash_config,
    flash_emulator,
    flash_endpoints,
    flash_jobs,
    flash_server,
    flash_session,
)
from .import_times import import_times
from .sdks import loaded
from .sdks.import_finder import stay_off, watch_imports
from .shadowed_modules import own_finder
from .testing import real_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sdks.emulator_host import EmulatorHost

__all__ = [
    "flash_app",
    "flash_async_client",
    "flash_client",
    "flash_config",
    "flash_emulator",
    "flash_endpoints",
    "flash_jobs",
    "flash_server",
    "flash_session",
]

import_times()  # Of all that is imported from here on: tests, and what they test.
own_finder()  # Our own modules, imported later, find Python's.

_LIVE = "--flash-live"
_VARIABLES = ("PYTEST_FLASH_APP", "PYTEST_FLASH_STARTUP_TIMEOUT")
_MARKERS = (
    f"flash_live: runs on Runpod only; skipped without {_LIVE}",
    f"flash_emulator: runs on the embedded Runpod only; skipped with {_LIVE}",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("flash", "FastAPI apps with Runpod functions (pytest-flash)")
    group.addoption(
        _LIVE,
        action="store_true",
        help="run remote functions on Runpod, which costs money (default: the embedded Runpod)",
    )
    group.addoption(
        "--flash-in-process",
        action="store_true",
        help="run remote functions in the tests' process, where debuggers reach them",
    )
    group.addoption(
        "--flash-app",
        metavar="APP",
        help="the app under test: a directory, a file or module:attribute",
    )
    group.addoption(
        "--flash-startup-timeout",
        metavar="SECONDS",
        help="how long the app, an endpoint or a worker may take to start (default: 60; live: 600)",
    )
    group.addoption(
        "--flash-keep",
        action="store_true",
        help="leave what was created on Runpod, for the next run to reuse",
    )
    group.addoption(
        "--flash-namespace",
        metavar="NAME",
        help="keeps this run's endpoints apart (default: FLASH_NAMESPACE; in CI: one for each run)",
    )
    group.addoption(
        "--flash-max-endpoints",
        metavar="N",
        type=int,
        default=5,
        help="create no more endpoints than this on Runpod (default: 5)",
    )
    parser.addini("flash_app", "the app under test, as --flash-app", default="")
    parser.addini(
        "flash_startup_timeout", "seconds, as --flash-startup-timeout", type="float", default=None
    )


# First, since conftests may import an SDK.
@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep official SDKs that this run imports off Runpod, if it is one of ours and not live."""
    _watch_imports(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse what cannot work, and to spend money on less than a word."""
    # Again, for a plugin that was named in a conftest.
    _watch_imports(config)
    own_finder()  # Ahead of the rewriter of this run, which may not be the process's first.
    if _is_configured(config) or (config.rootpath / "__init__.py").is_file():
        from .testing.app_folder import add_folder_of_package

        add_folder_of_package(config)
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    real_stderr.keep(config)
    if hasattr(config, "workerinput"):
        return  # A worker of pytest-xdist does what its controller was told.
    if config.getoption("flash_max_endpoints") < 0:
        raise pytest.UsageError("--flash-max-endpoints must be 0 or more")
    if config.getoption("flash_live") and config.getoption("flash_in_process"):
        raise pytest.UsageError(f"--flash-in-process runs nothing on Runpod; leave out {_LIVE}")
    if config.getoption("flash_live"):
        if _LIVE not in map(str, config.invocation_params.args):
            raise pytest.UsageError(
                f"{_LIVE} spends money, so it counts on pytest's command line only, not in an ini "
                "file's addopts or in PYTEST_ADDOPTS"
            )
        from .testing.config import check_key

        check_key(config)
    if _is_configured(config):
        from .testing.config import read_config

        read_config(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say where remote functions would run, and what was set where; nothing if nothing was."""
    ours = config.getoption("flash_live") or config.getoption("flash_in_process")
    if not ours and not _is_configured(config):
        return None
    from .testing.config import header

    return header(config)


# First, since others take items away.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip the tests that are marked for the other target; remember which files hold tests."""
    # Not those of doctests, which stand in the app's modules.
    config.stash[TEST_FILES] = {item.path for item in items if isinstance(item, pytest.Function)}
    if config.getoption("flash_live"):
        name, reason = "flash_emulator", f"runs on the embedded Runpod only, not with {_LIVE}"
    else:
        name, reason = "flash_live", f"runs on Runpod, which costs money: needs {_LIVE}"
        if loaded() and not hasattr(config, "workerinput"):
            from .testing.plugin_in_use import check_sdks, use

            stay_off()
            if _is_configured(config) or use(items, __all__):
                check_sdks()
    for item in items:
        if item.get_closest_marker(name) is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported is what runs, here and on workers, also where files change from now on."""
    if f"{__package__}.functions.registry" in sys.modules:  # else there are no remote functions
        from .testing.source_texts import keep_texts

        keep_texts(session.config)


# First, before fixtures and tests of the user's.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep official SDKs off Runpod, whatever the test before has done to the environment."""
    if loaded():
        stay_off()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """As before the setup: fixtures may have done it."""
    if loaded():
        stay_off()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """As before the setup: the test may have done it."""
    if loaded():
        stay_off()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run's one Runpod can be asked for."""
    from .testing.xdist import introduce

    introduce(node)


def _watch_imports(config: pytest.Config) -> None:
    live = _option(config, "flash_live")

    def applies() -> bool:
        from .testing.plugin_in_use import is_in_use

        return not live and (_is_configured(config) or is_in_use(config, __all__))

    def host() -> EmulatorHost:
        from .testing.guests import host_of

        return host_of(config)

    watch_imports(applies, host)


def _is_configured(config: pytest.Config) -> bool:
    return any(
        (
            _option(config, "flash_app"),
            _option(config, "flash_startup_timeout"),
            _option(config, "flash_namespace"),
            config.getini("flash_app"),
            _has_startup_timeout(config),
            *map(os.environ.get, _VARIABLES),
        )
    )


def _option(config: pytest.Config, name: str) -> object:
    """An option of ours, also while conftests are loaded, when not all are parsed yet."""
    early = getattr(config.known_args_namespace, name, None)
    return getattr(config.option, name, None) or early


def _has_startup_timeout(config: pytest.Config) -> bool:
    try:
        return config.getini("flash_startup_timeout") is not None
    except ValueError as error:  # How pytest takes what is no number from an ini file.
        raise pytest.UsageError(f"flash_startup_timeout (from ini) is no number: {error}") from None
