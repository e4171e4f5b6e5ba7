"""The pytest plugin: options and hooks. The fixtures are in ``fixtures``.

Loaded by every pytest run on the machine, so it imports nothing heavy.
"""

from __future__ import annotations

import pytest

from .fixtures import (
    flash_app,
    flash_async_client,
    flash_client,
    flash_emulator,
    flash_endpoints,
    flash_server,
    flash_session,
)

__all__ = [
    "flash_app",
    "flash_async_client",
    "flash_client",
    "flash_emulator",
    "flash_endpoints",
    "flash_server",
    "flash_session",
]

_LIVE = "--flash-live"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("flash", "FastAPI apps with Runpod functions (pytest-flash)")
    group.addoption(
        _LIVE,
        action="store_true",
        help="run remote functions on Runpod, which costs money (default: the embedded Runpod)",
    )
    group.addoption(
        "--flash-app",
        metavar="APP",
        help="the app under test: a directory, a file or module:attribute",
    )
    group.addoption(
        "--flash-keep",
        action="store_true",
        help="leave what was created on Runpod, for the next run to reuse",
    )
    group.addoption(
        "--flash-namespace",
        metavar="NAME",
        help="keeps this run's endpoints apart (default: FLASH_NAMESPACE; under CI, one a run)",
    )
    group.addoption(
        "--flash-max-endpoints",
        metavar="N",
        type=int,
        default=5,
        help="create no more endpoints than this on Runpod (default: 5)",
    )
    parser.addini("flash_app", "the app under test, as --flash-app", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to spend money on anything but the command line's word."""
    if not config.getoption("flash_live") or hasattr(config, "workerinput"):
        return  # A worker of pytest-xdist does what its controller was told.
    if _LIVE not in map(str, config.invocation_params.args):
        raise pytest.UsageError(
            f"{_LIVE} spends money, so it counts on pytest's command line only, not in an ini "
            "file's addopts or in PYTEST_ADDOPTS"
        )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say where remote functions would run, and which app was named; nothing if neither was."""
    target = "Runpod (live)" if config.getoption("flash_live") else "emulator"
    option, ini = config.getoption("flash_app"), config.getini("flash_app")
    app = f", app={option} (--flash-app)" if option else f", app={ini} (from ini)" if ini else ""
    return f"flash: {target}{app}" if app or config.getoption("flash_live") else None
