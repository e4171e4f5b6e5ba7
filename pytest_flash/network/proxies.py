"""How our own requests leave this machine: proxies and certificate authorities, as variables say.

They are taken from an environment at one moment and kept with the target. Later changes of
``os.environ``, by a ``.env`` file that is loaded or by the app, lead no key elsewhere.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .loopback import is_loopback

_TLS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_PROXY = "_proxy"


def is_network_name(name: str) -> bool:
    """Whether a variable of this name is one of those that decide where requests go."""
    return name in _TLS or name.lower().endswith(_PROXY)


@dataclass(frozen=True)
class Network:
    """Proxies by scheme (``http``, ``https``, ``all``), hosts that need none, and TLS files."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    direct: tuple[str, ...] = ()
    certificates: str | None = None
    certificate_folder: str | None = None
    key_log: str | None = None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Network:
        """What ``variables`` say, read as curl, urllib and httpx do; else the system's proxies."""
        proxies = _proxies(variables) or _system_proxies()
        direct = proxies.pop("no", "")
        file, folder, log = (variables.get(name) or None for name in _TLS)
        return cls(
            {scheme: url if "://" in url else f"http://{url}" for scheme, url in proxies.items()},
            tuple(host for each in direct.split(",") if (host := each.strip().lower())),
            file,
            folder,
            log,
        )

    def proxy_for(self, url: str) -> str | None:
        """The proxy that requests to ``url`` go through; None for none, as for loopback always."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if is_loopback(host) or any(_covers(each, host, port) for each in self.direct):
            return None
        return self.proxies.get(parts.scheme) or self.proxies.get("all")


def _proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """By scheme; lower-case names win, and an empty one takes the other away."""
    named = [name for name in variables if name.lower().endswith(_PROXY)]
    found: dict[str, str] = {}
    for name in sorted(named, key=lambda each: each.endswith(_PROXY)):
        scheme = name[: -len(_PROXY)].lower()
        if name == "HTTP_PROXY" and "REQUEST_METHOD" in variables:
            continue  # CGI: it holds a header that the client of the request sent.
        if variables[name]:
            found[scheme] = variables[name]
        elif name.endswith(_PROXY):
            found.pop(scheme, None)
    return found


def _system_proxies() -> dict[str, str]:
    """Those of the network settings of macOS."""
    if sys.platform != "darwin":
        return {}
    import urllib.request

    named: dict[str, str] = getattr(urllib.request, "getproxies_macosx_sysconf", dict)()
    return named


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of ``NO_PROXY`` means ``host``: ``*``, a name, an address or a network."""
    if entry == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, _, wanted = entry.rpartition(":")
    if name and wanted.isdigit():
        if int(wanted) != port:
            return False
        entry = name
    bare = entry.removeprefix("*").removeprefix(".").strip("[]")
    return host == bare or host.endswith(f".{bare}")
