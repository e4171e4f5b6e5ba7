"""What connections to Runpod are made with: headers, proxies, certificates."""

from __future__ import annotations

import functools
import importlib.util
import platform
import re
import ssl
from importlib.metadata import version
from typing import Literal
from urllib.parse import urlsplit

import httpx

from ..errors import SettingsError
from ..target import Target

# What may stand in a header without folding. A key outside of it would be refused further down,
# in an error text that quotes the whole header.
_KEY = re.compile(r"[!-~]+")
_PROXIES = "see HTTPS_PROXY, HTTP_PROXY and ALL_PROXY in the environment"


def headers(target: Target, key_source: str | None = None) -> dict[str, str]:
    """The headers of every request; both planes take the key as a bearer token.

    Raises SettingsError for a key that no header can carry; ``key_source`` says in words where
    the key came from.
    """
    if not _KEY.fullmatch(target.api_key):
        raise SettingsError(
            f"{key_named(key_source)} is empty, or holds a space, a line break or a character "
            "outside ASCII; copy it again from the Runpod console under Settings > API Keys"
        )
    return {
        "Authorization": f"Bearer {target.api_key}",
        "User-Agent": _agent(),
    }


@functools.cache
def _agent() -> str:
    # Reads the package's files, which a process without a free one cannot.
    return f"pytest-flash/{version('pytest-flash')} Python/{platform.python_version()}"


def proxy(target: Target, url: str) -> httpx.Proxy | None:
    """What requests to ``url`` go through: what the target's environment named, never for loopback.

    Raises SettingsError for a proxy that cannot be used.
    """
    named = target.network.proxy_for(url)
    if named is None:
        return None
    try:
        made = httpx.Proxy(named)
    except (ValueError, httpx.InvalidURL):
        made = None  # The error's text has the proxy's password in it.
    if made is None or not made.url.host:
        raise SettingsError(
            f"the proxy for {_origin(url)} is not a URL such as http://proxy.example.com:3128; "
            f"{_PROXIES}"
        )
    if made.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise SettingsError(
            f"the proxy for {_origin(url)} speaks SOCKS, which needs a package: "
            f"pip install 'httpx[socks]'; {_PROXIES}"
        )
    return made


def tls(target: Target, url: str) -> ssl.SSLContext | Literal[False]:
    """How servers at ``url`` prove who they are; False for plain loopback.

    Loading certificates costs 20 ms. Raises SettingsError where those that were named cannot be
    read.
    """
    if not url.startswith("https:"):
        return False
    network = target.network
    file, folder = network.certificates, network.certificate_folder
    if file is None and folder is None:
        context = httpx.create_ssl_context(trust_env=False)
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
    return context


def key_named(source: str | None) -> str:
    """The key in an error's text; ``source`` says in words where it came from."""
    return f"the API key from {source}" if source else "the API key"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
