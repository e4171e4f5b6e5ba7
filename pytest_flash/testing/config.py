"""How a test run is configured: option over environment over ini file, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..errors import AppNotFoundError, SettingsError
from ..settings import Sourced, read_process_environment

if TYPE_CHECKING:
    from ..runner.app.locate import AppLocation

_STARTUP_TIMEOUT = 60.0
_STARTUP_TIMEOUT_LIVE = 600.0


@dataclass(frozen=True)
class FlashConfig:
    """What the fixtures go by.

    ``app`` names the app as seen from ``root``; None looks for it there. ``startup_timeout`` is
    how many seconds the app, an endpoint or a worker may take to start. ``live`` says where
    remote functions run, which the command line alone decides; with ``in_process`` that is the
    tests' own process. ``emulator_log`` is a file to which
    the emulator appends what it and its workers print.
    """

    app: str | None
    root: Path
    startup_timeout: float
    live: bool = False
    in_process: bool = False
    keep: bool = False
    namespace: str | None = None
    max_endpoints: int = 5
    emulator_log: Path | None = None

    def location(self) -> AppLocation | None:
        """Where the app is: None if none was named and ``root`` holds none.

        Raises AppNotFoundError when the one that was named is not there, and SettingsError for a
        ``pyproject.toml`` that cannot be read.
        """
        from ..runner.app.locate import find_default, locate

        if self.app is None and find_default(self.root) is None:
            return None
        return locate(self.app, self.root)

    def require_location(self) -> AppLocation:
        """As ``location``; raises AppNotFoundError in place of None."""
        from ..runner.app.locate import locate

        return self.location() or locate(None, self.root)


def read_config(config: pytest.Config) -> FlashConfig:
    """The configuration of this run. Raises pytest.UsageError for values that cannot work."""
    app, timeout = _app(config), _startup_timeout(config)
    namespace = config.getoption("flash_namespace")
    if namespace is not None:
        _check_namespace(namespace)
    live = bool(config.getoption("flash_live"))
    default = _STARTUP_TIMEOUT_LIVE if live else _STARTUP_TIMEOUT
    in_ini = app is None or app.source == "ini"
    return FlashConfig(
        app=app.value if app else None,
        root=config.rootpath if in_ini else config.invocation_params.dir,
        startup_timeout=timeout.value if timeout else default,
        live=live,
        in_process=bool(config.getoption("flash_in_process")),
        keep=bool(config.getoption("flash_keep")),
        namespace=namespace,
        max_endpoints=config.getoption("flash_max_endpoints"),
    )


def header(config: pytest.Config) -> str:
    """A line such as ``flash: emulator, app=shop.main:app (from ini)``."""
    app, timeout = _app(config), _startup_timeout(config)
    parts = ["Runpod (live)" if config.getoption("flash_live") else "emulator"]
    if config.getoption("flash_in_process"):
        parts = ["remote functions in this process, without time limits and faults"]
    if app:
        parts.append(f"app={app.value} (from {app.source})")
    if timeout:
        parts.append(f"startup-timeout={timeout.value:g} s (from {timeout.source})")
    namespace = _namespace(config)
    if namespace:
        parts.append(f"namespace={namespace.value} (from {namespace.source})")
    if config.getoption("flash_live"):
        parts += _project(config)
    return f"flash: {', '.join(parts)}"


def _project(config: pytest.Config) -> list[str]:
    """Whose endpoints, where it is not in ``pyproject.toml``: another folder may be called so."""
    from ..project import find_project

    try:
        project = find_project(_folder(config))
    except SettingsError:
        return []  # Whoever uses the fixtures is told of it.
    return [] if project.declared else [f"project={project.name} (from its folder's name alone)"]


def check_key(config: pytest.Config) -> None:
    """Raise pytest.UsageError, which says where was looked, when there is no API key for live."""
    from ..settings import read_environment
    from ..target import open_live

    try:
        open_live(read_environment(_folder(config)), reason="--flash-live", granted=True)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _folder(config: pytest.Config) -> Path:
    try:
        location = read_config(config).location()
    except (AppNotFoundError, SettingsError):
        location = None  # The fixture that needs the app says so, with what the test overrides.
    return location.folder if location else config.rootpath


def _app(config: pytest.Config) -> Sourced[str] | None:
    return _first(config, "app")


def _startup_timeout(config: pytest.Config) -> Sourced[float] | None:
    found = _first(config, "startup_timeout")
    if found is None:
        return None
    try:
        seconds = float(found.value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise pytest.UsageError(
            f"the start-up timeout {found.value!r} (from {found.source}) must be a number of "
            "seconds above 0"
        )
    return Sourced(seconds, found.source)


def _namespace(config: pytest.Config) -> Sourced[str] | None:
    candidates = (
        (config.getoption("flash_namespace"), "--flash-namespace"),
        (_variable("FLASH_NAMESPACE"), "FLASH_NAMESPACE"),
    )
    return next((Sourced(value, source) for value, source in candidates if value), None)


def _check_namespace(namespace: str) -> None:
    from ..provisioner.owner import check_namespace

    try:
        check_namespace(Sourced(namespace, "--flash-namespace"))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _variable(name: str) -> str | None:
    try:
        return read_process_environment().value(name)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None


def _first(config: pytest.Config, name: str) -> Sourced[str] | None:
    variable = f"PYTEST_FLASH_{name.upper()}"
    candidates = (
        (config.getoption(f"flash_{name}"), f"--flash-{name.replace('_', '-')}"),
        (_variable(variable), variable),
        (config.getini(f"flash_{name}"), "ini"),
    )
    given = ((value, source) for value, source in candidates if value not in (None, ""))
    return next((Sourced(str(value), source) for value, source in given), None)
