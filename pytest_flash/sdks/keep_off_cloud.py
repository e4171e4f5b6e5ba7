"""Keeping an official SDK off the cloud: by the variables that it reads, set before it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

from ..network.loopback import is_loopback
from ..settings import API_KEY, MANAGEMENT_URL, NO_KEY, QUEUE_URL

# Nobody listens on port 1: it is privileged, and its service (tcpmux) is extinct.
_REFUSES = f"http://127.0.0.1:1/{NO_KEY}"
# Load balancers are hosts below the queue plane's. An IPv6 address has none: such a URL is refused
# before its host is looked up.
_REFUSES_QUEUES = f"http://[::1]:1/{NO_KEY}"

# runpod-flash 1.1.1 and 1.21.0, tetra-rp 0.25.2, runpod 1.12.0 and 2.0.0rc2: the variables with
# base URLs that they read. The console's, which has two names, stands in texts alone.
_URLS = {
    MANAGEMENT_URL: _REFUSES,
    QUEUE_URL: _REFUSES_QUEUES,
    "RUNPOD_REST_API_URL": _REFUSES,
    "RUNPOD_HAPI_URL": _REFUSES,
    "RUNPOD_CONSOLE_URL": _REFUSES,
}
OLD_CONSOLE = "CONSOLE_BASE_URL"
"""The console's base URL in runpod-flash 1.1.1."""

_DIRECT = "127.0.0.1,::1"


def stays_here(environment: Mapping[str, str]) -> bool:
    """Whether all of an SDK's base URLs lead to this machine, by us or by whoever set them."""
    return all(is_loopback(_host(environment.get(name, ""))) for name in _URLS)


def is_off_cloud(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``keep_off`` was called for this process, or for one that it inherits from."""
    return environment.get(API_KEY) == NO_KEY and environment.get(QUEUE_URL) == _REFUSES_QUEUES


def keep_off(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let whatever of an SDK is imported from now on reach nothing, with no key.

    Call it before the import: base URLs are read then. A key that is set wins over ``.env`` and
    over ``~/.runpod/config.toml``, so there is one that is none. Not where all base URLs lead to
    this machine already: then somebody runs an emulator for it.
    """
    if stays_here(environment):
        return
    environment.update(_URLS)
    environment[OLD_CONSOLE] = _REFUSES
    environment[API_KEY] = NO_KEY
    bypass_proxies(environment)
    keep_client_off(environment)


def bypass_proxies(environment: MutableMapping[str, str]) -> None:
    """Have requests to this machine go past any proxy: it would get what is meant for us."""
    for name in ("NO_PROXY", "no_proxy"):
        direct = environment.get(name, "")
        known = {"*", _DIRECT.partition(",")[0]}
        if known.isdisjoint(direct.split(",")) and (name in environment or name.isupper()):
            environment[name] = f"{direct},{_DIRECT}".lstrip(",")


def keep_client_off(environment: Mapping[str, str] = os.environ) -> None:
    """Have ``runpod`` forget, where it is loaded, what it read as it was imported.

    The other SDKs submit jobs through it.
    """
    client = sys.modules.get("runpod")
    if client is not None and is_off_cloud(environment):
        vars(client).update(api_key=NO_KEY, endpoint_url_base=_REFUSES_QUEUES)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
