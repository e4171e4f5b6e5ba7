"""Where remote functions run in this process: the embedded Runpod, or Runpod's cloud.

This module is the one place that decides whether a request may reach the cloud.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from .errors import LiveRefusedError, MissingKeyError, NoTargetError, SettingsError
from .network.loopback import is_loopback
from .network.proxies import Network
from .process.pytest_run import belongs_to_pytest, is_inside_pytest
from .scope import SCOPE_HEADER, RequestScope
from .security.api_key import without
from .settings import API_KEY, MANAGEMENT_URL, QUEUE_URL, Environment, Sourced

# Runpod docs, api-reference-v2/overview (management) and serverless/endpoints (queue).
RUNPOD_MANAGEMENT_URL = "https://api.runpod.io"
RUNPOD_QUEUE_URL = "https://api.runpod.ai/v2"

NOT_LIVE = "PYTEST_FLASH_NOT_LIVE"
"""Set where ``flash run`` serves an app on the embedded Runpod, for whatever the app starts."""


class TargetKind(str, Enum):
    """Where remote functions run."""

    EMULATOR = "emulator"
    LIVE = "live"


_OTHERWISE = {
    TargetKind.EMULATOR: "pass --emulator to run without Runpod and at no cost",
    TargetKind.LIVE: "pass --live to use Runpod, which costs money",
}


@dataclass(frozen=True)
class Target:
    """Base URLs and key of one Runpod, embedded or live.

    ``management_url`` is the base before ``/v2/serverless``; ``queue_url`` the base before
    ``/{endpoint_id}/run``. Neither ends with a slash. ``reason`` says in words why this target
    was chosen. ``scope`` is what requests to the embedded Runpod are sent in; ``network`` is how
    requests leave this machine.
    """

    kind: TargetKind
    management_url: str
    queue_url: str
    api_key: str = field(repr=False)
    reason: str
    scope: RequestScope | None = field(default=None, repr=False, compare=False)
    network: Network = field(default_factory=Network, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.is_live and self.scope is not None:
            raise ValueError("scopes are the embedded Runpod's own: a live target has none")

    @property
    def is_live(self) -> bool:
        """Whether calls cost money."""
        return self.kind is TargetKind.LIVE

    def scope_headers(self) -> dict[str, str]:
        """The header of a request that is sent now: one in a scope, else none."""
        if self.scope is None or self.scope.name is None:
            return {}
        return {SCOPE_HEADER: self.scope.name}

    def balancer_url(self, advertised: str) -> str:
        """``advertised``, the base URL that the management plane names for a load-balancing
        endpoint, if requests may go there with the key.

        It has to be on the queue plane's own origin, or https on a host below the queue plane's
        (``https://{endpoint_id}.api.runpod.ai``). Raises SettingsError for anything else.
        """
        queue, base = urlsplit(self.queue_url), _plain(advertised)
        if base is not None:
            same = (base.scheme, base.netloc) == (queue.scheme, queue.netloc)
            below = base.scheme == "https" and base.port is None and queue.hostname is not None
            if same or (below and (base.hostname or "").endswith(f".{queue.hostname}")):
                return advertised.rstrip("/")
        raise SettingsError(
            f"the management plane at {self.management_url} names "
            f"{without(_shown(advertised), self.api_key)!r} as a load "
            f"balancer, which is not part of {queue.hostname}: the API key is not sent there"
        )


@dataclass(frozen=True)
class TargetChoice:
    """Which kind of target, why, and how to choose the other."""

    kind: TargetKind
    reason: str
    remedy: str


def choose(option: TargetKind | None, environment: Environment) -> TargetChoice:
    """The kind of target for ``flash run``: what was asked for, else live if there is a key."""
    if option is not None:
        other = TargetKind.EMULATOR if option is TargetKind.LIVE else TargetKind.LIVE
        return TargetChoice(option, f"--{option.value}", _OTHERWISE[other])
    key = environment.get(API_KEY)
    if key is None:
        return TargetChoice(
            TargetKind.EMULATOR, f"no {API_KEY}", f"set {API_KEY} to use Runpod, which costs money"
        )
    return TargetChoice(
        TargetKind.LIVE,
        f"{API_KEY} from {key.source}",
        _OTHERWISE[TargetKind.EMULATOR],
    )


def embedded(management_url: str, queue_url: str, api_key: str, reason: str) -> Target:
    """The embedded Runpod that this process, or the one above it, has started."""
    return Target(
        TargetKind.EMULATOR, management_url, queue_url, api_key, reason, scope=RequestScope()
    )


def open_live(environment: Environment, *, reason: str, granted: bool) -> Target:
    """The live target. Every path to the cloud passes through here.

    ``granted`` says that a person asked for the cloud on a command line (``--flash-live``,
    ``--live``). Without it the cloud is refused unless the base URLs lead to loopback: in a process
    that has been under pytest and in those below it, and in what an app starts that ``flash run``
    serves on the embedded Runpod.

    Raises MissingKeyError, SettingsError (bad base URLs) or LiveRefusedError.
    """
    key = environment.get(API_KEY)
    if key is None:
        looked, file = "in the environment", environment.dotenv_path
        if file is not None:
            looked += f", nor in {file}" + ("" if file.is_file() else " (no such file)")
        raise MissingKeyError(
            f"no {API_KEY} {looked}; create a key in the Runpod console under Settings > "
            "API Keys and export it, or leave out --live or --flash-live to use the embedded Runpod"
        )
    management, queue = _base_urls(environment, key)
    target = Target(
        TargetKind.LIVE, management, queue, key.value, reason, network=environment.network
    )
    if not granted and not _all_loopback(target):
        _refuse_where_nobody_pays(environment)
    return target


def open_plain(environment: Environment) -> Target:
    """The target of a plain script or server, outside ``flash run`` and the plugin: live.

    Raises NoTargetError without a key: production never runs on an emulator by accident.
    """
    if environment.get(API_KEY) is not None:
        return open_live(environment, reason=f"{API_KEY} in the environment", granted=False)
    remedy = (
        "Ask for flash_client, flash_server or flash_endpoints in the test"
        if is_inside_pytest(environment.process)
        else f"Set {API_KEY} to use Runpod, serve the app with 'flash run', or start "
        "'flash emulator' and export the variables it prints"
    )
    raise NoTargetError(
        f"a remote function was called and nothing says where it should run. {remedy}"
    )


def _base_urls(environment: Environment, key: Sourced[str]) -> tuple[str, str]:
    management, queue = environment.get(MANAGEMENT_URL), environment.get(QUEUE_URL)
    if management is None and queue is None:
        return RUNPOD_MANAGEMENT_URL, RUNPOD_QUEUE_URL
    if management is None or queue is None:
        missing = MANAGEMENT_URL if management is None else QUEUE_URL
        raise SettingsError(
            f"{MANAGEMENT_URL} and {QUEUE_URL} go together, and {missing} is not set; "
            "set both or neither"
        )
    for name, url in ((MANAGEMENT_URL, management), (QUEUE_URL, queue)):
        _check_url(name, url, key)
    return management.value.rstrip("/"), queue.value.rstrip("/")


def _check_url(name: str, url: Sourced[str], key: Sourced[str]) -> None:
    if url.source != key.source and url.source != "environment":
        raise SettingsError(
            f"{name} comes from {url.source} but {API_KEY} from {key.source}: a .env file may "
            "redirect only a key of its own. Export the URL too, or move the key into that file"
        )
    try:
        parts = urlsplit(url.value)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise SettingsError(
            f"{name}={_shown(url.value)!r} ({url.source}) is not a URL: {_shown(str(error))}"
        ) from error
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not secure or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            f"{name}={_shown(url.value)!r} ({url.source}) must be a plain https:// URL; http:// "
            "is accepted for loopback only"
        )


def _plain(url: str) -> SplitResult | None:
    """The parts of a URL with nothing but scheme, host, port and path; None for any other."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    # What parsers disagree on, or drop, could make another host of it on its way.
    odd = not url.isascii() or not url.isprintable() or " " in url or "\\" in url
    extra = "@" in parts.netloc or parts.query or parts.fragment
    return None if odd or extra or not parts.hostname else parts


def _shown(url: str) -> str:
    return url.rpartition("@")[2]


def _refuse_where_nobody_pays(environment: Environment) -> None:
    if environment.process.get(NOT_LIVE):
        raise LiveRefusedError(
            "this call would reach Runpod's cloud from an app that 'flash run' serves on the "
            "embedded Runpod, and nothing granted that: call remote functions in the app's own "
            "process while it is served, or pass --live to flash run, which costs money"
        )
    if belongs_to_pytest(environment.process):
        raise LiveRefusedError(
            "this call would reach Runpod's cloud from a test run, and nothing granted that. "
            "Use the pytest-flash fixtures (embedded Runpod, no cost), pass --flash-live on "
            "pytest's command line, or --live or --emulator to flash run"
        )


def _all_loopback(target: Target) -> bool:
    urls = (target.management_url, target.queue_url)
    return all(is_loopback(urlsplit(url).hostname or "") for url in urls)
