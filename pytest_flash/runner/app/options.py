"""What ``flash run`` was asked to do, with defaults and variables resolved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...console.token import DEFAULT_PATH
from ...errors import SettingsError
from ...settings import Environment, Sourced
from ...target import TargetKind

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8888
# Seconds that nobody waits for.
_LONG = 24 * 3600.0


@dataclass(frozen=True)
class ProvisionOptions:
    """What ``flash run`` does about endpoints.

    ``before`` creates them before serving, ``dry_run`` prints what that would do and stops,
    ``warm`` waits for a worker on each, ``adopt`` takes over endpoints of ours that differ and
    have no record, ``keep_orphans`` leaves those whose resource is gone, ``yes`` asks nothing.
    """

    before: bool = False
    dry_run: bool = False
    warm: bool = False
    adopt: bool = False
    keep_orphans: bool = False
    yes: bool = False


@dataclass(frozen=True)
class RunTimings:
    """How long ``flash run`` waits for what may hang; all in seconds."""

    reload_grace: float = 5.0
    """For the answers that old code still owes once new code serves."""
    head_start: float = 0.5
    """For the old app's lifespan to end before the new one's begins all the same: what both want to
    have, a port or a lock, is free by then."""
    doubt: float = 0.1
    """Before new code that is broken is served: an editor may write a file in two steps."""
    stop_grace: float = 2.0
    """For the answers under way when the command ends."""
    slow_start: float = 5.0
    """Before a start that has not finished is reported."""
    parent_limit: float = 10.0
    """For a parent that imports libraries ahead to start a process; longer than that takes."""

    @classmethod
    def suiting(cls, debugged: bool) -> RunTimings:
        """The usual ones; where somebody may look at a breakpoint for an hour, nothing is cut short
        but the end of the command."""
        if not debugged:
            return cls()
        return cls(reload_grace=_LONG, slow_start=_LONG, parent_limit=_LONG)


@dataclass(frozen=True)
class RunOptions:
    """The options of ``flash run`` as given; None where one was left out.

    ``folder`` is where the app is looked for. Patterns of files are those of ``.gitignore``, seen
    from the app's folder or each of ``reload_dirs``, which are watched in its place.
    ``fork`` lets a serving process begin with what its parent has imported. ``root_path`` is what
    ASGI calls so. With ``in_process`` remote functions run where the app does; ``debugged`` says
    that a debugger is attached. ``console`` is the path of the console, None for none.
    """

    app: str | None = None
    folder: Path = Path()
    host: str | None = None
    port: int | None = None
    reload: bool = True
    fork: bool = True
    reload_include: tuple[str, ...] = ()
    reload_exclude: tuple[str, ...] = ()
    reload_dirs: tuple[Path, ...] = ()
    log_level: str = "info"
    access_log: bool = True
    root_path: str = ""
    console: str | None = DEFAULT_PATH
    provision: ProvisionOptions = ProvisionOptions()
    namespace: str | None = None
    target: TargetKind | None = None
    in_process: bool = False
    debugged: bool = False
    env_file: Path | None = None
    timings: RunTimings = RunTimings()


@dataclass(frozen=True)
class ListenAddress:
    """Where to serve. ``fixed`` says that this port and no other was asked for."""

    host: str
    port: int
    fixed: bool

    @property
    def url(self) -> str:
        """Where this machine finds what is served there."""
        host = DEFAULT_HOST if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def address(options: RunOptions, environment: Environment) -> ListenAddress:
    """Host and port: option, then ``FLASH_HOST`` and ``FLASH_PORT``, then localhost:8888.

    Raises SettingsError for a port that is no number from 0 to 65535.
    """
    host = options.host or environment.value("FLASH_HOST") or DEFAULT_HOST
    if options.port is not None:
        return ListenAddress(host, _port(Sourced(str(options.port), "--port")), fixed=True)
    variable = environment.get("FLASH_PORT")
    if variable is not None:
        named = Sourced(variable.value, f"FLASH_PORT, {variable.source}")
        return ListenAddress(host, _port(named), fixed=True)
    return ListenAddress(host, DEFAULT_PORT, fixed=False)


def _port(text: Sourced[str]) -> int:
    if not text.value.isascii() or not text.value.isdigit() or int(text.value) > 65535:
        raise SettingsError(f"port {text.value!r} ({text.source}) is not a number from 0 to 65535")
    return int(text.value)
