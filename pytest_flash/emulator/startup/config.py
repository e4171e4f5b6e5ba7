"""The configuration of one emulator, and the ``[tool.flash.emulator]`` table."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import SettingsError
from ...network.loopback import is_loopback
from ...project import Project, find_project, refuse_unknown_keys
from .announcement import KEY_VARIABLE

_KEYS = (
    "preinstalled",
    "flash_images",
    "images",
    "webhooks",
    "rate_limits",
    "redeliveries",
    "missed_pings",
)
_RUN = ("images", "preinstalled")
_KINDS = ("gpu", "cpu")

WebhookReach = Literal["loopback", "anywhere", "nowhere"]
_REACHES = get_args(WebhookReach)


@dataclass(frozen=True)
class EmulatorTimings:
    """How long the emulator waits for what; all in seconds."""

    take_hold: float = 30.0
    """A job-take or job-stop without news is answered after this; the SDK gives up at 90."""
    worker_start: float = 60.0
    """From a worker's start to its first job-take, or to its first good health check."""
    stop_grace: float = 2.0
    """From SIGTERM to SIGKILL, for a worker that is stopped while it is idle."""
    cancel_grace: float = 1.0
    """For a worker to let go of a cancelled job, before the worker is replaced."""
    retry_delay: float = 0.1
    """Before the second start of a worker after one that failed; doubles each time."""
    retry_delay_max: float = 10.0
    ping_interval: float = 10.0
    """Between the pings of a worker; whole seconds (runpod worker SDK 1.12.0)."""
    webhook_delay: float = 10.0
    """Between the attempts to deliver a webhook (Runpod docs, send-requests)."""
    health_interval: float = 5.0
    """Between the health checks of a healthy worker behind a load balancer."""
    health_timeout: float = 5.0
    """For the answer to a health check."""
    unhealthy_grace: float = 2.0
    """For an unhealthy worker to become healthy again, before it is replaced."""
    balancer_wait: float = 120.0
    """For a worker to become available (Runpod docs, load-balancing/overview)."""
    balancer_limit: float = 330.0
    """For the processing of one request (Runpod docs, load-balancing/overview)."""
    run_retention: float = 30 * 60.0
    """How long the result of a `run` job can be read (Runpod docs, send-requests)."""
    runsync_retention: float = 60.0
    """How long the result of a `runsync` job can be read (Runpod docs, send-requests)."""


@dataclass(frozen=True)
class Options:
    """What Runpod does, or may do, and the emulator only when it is asked to.

    ``redeliveries``: how often a job is given to another worker after its own died.
    ``missed_pings``: after so many a worker counts as dead; 0 is never.
    """

    webhooks: WebhookReach = "loopback"
    rate_limits: bool = False
    redeliveries: int = 0
    missed_pings: int = 6


@dataclass(frozen=True)
class Preinstalled:
    """The packages that the real Flash images bring, as requirements."""

    gpu: tuple[str, ...] = ("torch", "torchvision", "torchaudio")
    cpu: tuple[str, ...] = ()


@dataclass(frozen=True)
class EmulatorConfig:
    """The whole configuration of one emulator. Port 0 means any free port."""

    project: Path
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    preinstalled: Preinstalled = Preinstalled()
    flash_images: tuple[str, ...] = ()
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Options = Options()
    timings: EmulatorTimings = EmulatorTimings()

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise SettingsError(
                f"the emulator serves loopback addresses only, not {self.host!r}: whoever reaches "
                "it runs code as you. Use --host 127.0.0.1 and forward the port if you need to"
            )
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"--port {self.port} is no port; give 0 (any free one) to 65535")
        if not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key.strip()):
            raise SettingsError(
                f"--api-key or {KEY_VARIABLE} must be printable ASCII and not empty"
            )

    def command(self, image: str) -> tuple[str, ...] | None:
        """The command that the project runs for an image: its exact name before its repository."""
        exact = self.images.get(image)
        return self.images.get(repository(image)) if exact is None else exact


def repository(image: str) -> str:
    """The repository of an image reference, without Docker Hub's host, tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = folder + slash + last.partition(":")[0]
    for host in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(host)
    return name


def load_config(
    project: Path, *, host: str = "127.0.0.1", port: int = 0, api_key: str | None = None
) -> EmulatorConfig:
    """The configuration of an emulator for ``project``, with its ``[tool.flash.emulator]``.

    Without ``api_key`` it is what FLASH_EMULATOR_KEY says, else a random one. The variable is
    taken out of the environment: what the emulator starts has no use for it. Raises
    SettingsError for a host that is not loopback, for anything wrong in ``pyproject.toml``, and for
    commands in one of another user.
    """
    own_key = os.environ.pop(KEY_VARIABLE, None)
    found = find_project(project)
    where = f"{found.root / 'pyproject.toml'}: [tool.flash.emulator]"
    table = found.config.get("emulator", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{where} must be a table")
    refuse_unknown_keys(table, _KEYS, where)
    _refuse_commands_of_others(found, table, where)
    config = EmulatorConfig(
        project=found.root,
        host="127.0.0.1" if host == "localhost" else host,
        port=port,
        preinstalled=_preinstalled(table, where),
        flash_images=_strings(table.get("flash_images", ()), f"{where} flash_images"),
        images=_commands(table.get("images", {}), f"{where} images"),
        options=_options(table, where),
    )
    key = own_key or None if api_key is None else api_key
    return config if key is None else replace(config, api_key=key)


def load_preinstalled(project: Path) -> Preinstalled:
    """What ``[tool.flash.emulator] preinstalled`` of ``project`` says the images bring.

    Raises SettingsError as ``load_config`` does.
    """
    found = find_project(project)
    table = found.config.get("emulator", {})
    where = f"{found.root / 'pyproject.toml'}: [tool.flash.emulator]"
    return _preinstalled(table if isinstance(table, dict) else {}, where)


def _refuse_commands_of_others(found: Project, table: Mapping[str, Any], where: str) -> None:
    """``images`` are commands, and installing what is ``preinstalled`` may run code too."""
    for key in _RUN:
        if key in table and found.distrust:
            raise SettingsError(
                f"{where} has {key}, which would run programs, and {found.distrust}. If they are "
                f"to run, copy the table to a pyproject.toml of your own in {found.folder}"
            )


def _options(table: Mapping[str, Any], where: str) -> Options:
    chosen: dict[str, Any] = {}
    if "webhooks" in table:
        chosen["webhooks"] = table["webhooks"]
        if table["webhooks"] not in _REACHES:
            raise SettingsError(f"{where} webhooks must be one of: {', '.join(_REACHES)}")
    if "rate_limits" in table:
        chosen["rate_limits"] = table["rate_limits"]
        if not isinstance(table["rate_limits"], bool):
            raise SettingsError(f"{where} rate_limits must be true or false")
    for name in ("redeliveries", "missed_pings"):
        if name in table:
            chosen[name] = table[name]
            if type(table[name]) is not int or table[name] < 0:
                raise SettingsError(f"{where} {name} must be a whole number, 0 or more")
    return Options(**chosen)


def _preinstalled(table: Mapping[str, Any], where: str) -> Preinstalled:
    if "preinstalled" not in table:
        return Preinstalled()
    value, where = table["preinstalled"], f"{where} preinstalled"
    if not isinstance(value, dict):
        every = _requirements(value, where)
        return Preinstalled(gpu=every, cpu=every)
    refuse_unknown_keys(value, _KINDS, where)
    kinds = {kind: _requirements(names, f"{where}.{kind}") for kind, names in value.items()}
    return Preinstalled(**kinds)


def _commands(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise SettingsError(f'{where} must be a table, such as {{"my/image:1" = "python a.py"}}')
    return {image: _command(text, f"{where} {image!r}") for image, text in value.items()}


def _command(text: Any, where: str) -> tuple[str, ...]:
    """The words of a command line, split as a POSIX shell would."""
    try:
        words = tuple(shlex.split(text)) if isinstance(text, str) else ()
    except ValueError as error:
        raise SettingsError(f"{where}: {text!r} cannot be split into words: {error}") from error
    if not words:
        raise SettingsError(f'{where} must be a command line, such as "python handler.py"')
    return words


def _requirements(value: Sequence[Any], where: str) -> tuple[str, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    texts = _strings(value, where)
    for text in texts:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise SettingsError(f"{where}: {text!r} is no requirement: {error}") from error
    return texts


def _strings(value: Sequence[Any], where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f'{where} must be a list of strings, such as ["numpy"]')
    return tuple(value)
