"""How Runpod is reached: headers, proxies, certificates, and the client for them."""

from __future__ import annotations

import importlib.util
import platform
import re
import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..http.blocking import Client
from ..http.body_limits import ENCODINGS
from ..http.messages import Header
from ..http.pool import AsyncClient
from ..http.tls import default_context, with_http
from ..target import Target

if TYPE_CHECKING:
    from ..http.proxied import ProxiedAsyncClient, ProxiedClient

# What may stand in a header without folding. A key outside of it would be refused further down,
# in an error text that quotes the whole header.
_KEY = re.compile(r"[!-~]+")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
# Read with the module: a test may fake the file system, or leave no file free, before a first call.
_AGENT = f"pytest-flash/{version('pytest-flash')} Python/{platform.python_version()}"
_PROXIES = "see HTTPS_PROXY, HTTP_PROXY and ALL_PROXY in the environment"


def headers(
    target: Target, key_source: str | None = None, *, encodings: str = ENCODINGS
) -> list[Header]:
    """The headers of every request; both planes take the key as a bearer token.

    Raises SettingsError for a key that no header can carry; ``key_source`` says in words where
    the key came from. ``encodings`` is what responses may be packed with.
    """
    if not _KEY.fullmatch(target.api_key):
        raise SettingsError(
            f"{key_named(key_source)} is empty, or holds a space, a line break or a character "
            "outside ASCII; copy it again from the Runpod console under Settings > API Keys"
        )
    return [
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", encodings.encode()),
        (b"User-Agent", _AGENT.encode()),
        (b"Authorization", f"Bearer {target.api_key}".encode()),
    ]


def scope_headers(target: Target) -> list[Header]:
    """The header of a request that is sent now: one in a scope, else none."""
    return [(name.encode(), text.encode()) for name, text in target.scope_headers().items()]


def open_client(target: Target, url: str) -> Client | ProxiedClient:
    """A client for requests to ``url``, for threads. Raises SettingsError as ``proxy`` and ``tls``.

    ``url`` is reached as those that the requests go to will be: directly, or through the proxy that
    the target's environment named.
    """
    named, context = proxy(target, url), tls(target, url)
    if named is None:
        return Client(context)
    from ..http.proxied import ProxiedClient

    return ProxiedClient(named, context)


def open_async_client(target: Target, url: str) -> AsyncClient | ProxiedAsyncClient:
    """As ``open_client``, for the running event loop."""
    named, context = proxy(target, url), tls(target, url)
    if named is None:
        return AsyncClient(context)
    from ..http.proxied import ProxiedAsyncClient

    return ProxiedAsyncClient(named, context)


def proxy(target: Target, url: str) -> str | None:
    """What requests to ``url`` go through: what the target's environment named, never for loopback.

    Raises SettingsError for a proxy that cannot be used.
    """
    named = target.network.proxy_for(url)
    if named is None:
        return None
    try:
        parts = urlsplit(named)
        usable = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"the proxy for {_origin(url)} is not a URL such as http://proxy.example.com:3128; "
            f"{_PROXIES}"
        )
    if named.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise SettingsError(
            f"the proxy for {_origin(url)} speaks SOCKS, which needs a package: "
            f"pip install 'httpx[socks]'; {_PROXIES}"
        )
    return named


def tls(target: Target, url: str) -> ssl.SSLContext | None:
    """How servers at ``url`` prove who they are; None for plain loopback.

    Loading certificates costs 20 ms. Raises SettingsError where those that were named cannot be
    read.
    """
    if not url.startswith("https:"):
        return None
    network = target.network
    file, folder = network.certificates, network.certificate_folder
    if file is None and folder is None:
        context = default_context()
    else:
        name = "SSL_CERT_FILE" if file is not None else "SSL_CERT_DIR"
        try:
            # As httpx does: the file alone where both are named.
            context = ssl.create_default_context(
                cafile=file, capath=folder if file is None else None
            )
        except OSError as error:
            raise SettingsError(f"{name}={file or folder} cannot be used: {error}") from error
    if hasattr(context, "keylog_filename"):  # Python takes it from the environment as it is now.
        context.keylog_filename = network.key_log  # type: ignore[assignment] # None is none
    return with_http(context)


def key_named(source: str | None) -> str:
    """The key in an error's text; ``source`` says in words where it came from."""
    return f"the API key from {source}" if source else "the API key"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
