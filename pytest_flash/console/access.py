"""Who may use the console: a browser on this machine that was given the token.

The console can spend money, and a browser runs pages of strangers beside it. So a request has to
come from this machine, be meant for it (a foreign page can make its own name resolve to loopback,
but not forge ``Host``), come from the console's own page (``Origin``, ``Sec-Fetch-Site``), and
carry a cookie that only the address printed on the terminal gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.requests import Request

from ..network.loopback import is_loopback, names_loopback

HEADER = "X-Flash-Console"
"""The console's page sends it with what changes something; no foreign form or link can."""

_FOREIGN = {"cross-site", "same-site"}


def cookie_name(request: Request) -> str:
    """The cookie's name. It has the port, since servers on one host share their cookies."""
    server = request.scope.get("server")
    return f"flash-console-{server[1] if server else ''}"


def objection(request: Request) -> str | None:
    """Why ``request`` is refused whatever token it has; None if it is not."""
    if not _is_from_here(request):
        return "The console answers to browsers on the machine that flash run is on."
    host = request.headers.get("host", "")
    if not _is_for_here(request, host):
        return f"The console answers to names of this machine, not to {host!r}."
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "The console answers to its own page only."
    navigates = request.headers.get("sec-fetch-mode") == "navigate"
    if request.headers.get("sec-fetch-site") in _FOREIGN and not navigates:
        return "The console answers to its own page only."
    if request.method not in ("GET", "HEAD") and not (origin and HEADER in request.headers):
        return "The console is told what to do by its own page only."
    return None


def _is_from_here(request: Request) -> bool:
    """Whether the other end is on this machine: loopback, or the very address we serve on.

    That is the end of the connection itself: what a header says can be anybody's word. A proxy of
    this machine says for whom it asks, who has to be here as well.
    """
    asking = [] if request.client is None else [request.client.host]  # None: a socket in a file.
    own = _server_host(request)
    return all(is_loopback(each) or each == own for each in (*asking, *_asked_for(request)))


def _asked_for(request: Request) -> Iterator[str]:
    """Whom proxies say that they ask for: X-Forwarded-For, X-Real-IP, Forwarded (RFC 7239)."""
    for name in ("x-forwarded-for", "x-real-ip"):
        for value in request.headers.getlist(name):
            yield from map(_host, value.split(","))
    for value in request.headers.getlist("forwarded"):
        for pair in value.replace(",", ";").split(";"):
            what, _, whom = pair.partition("=")
            if what.strip().lower() == "for":
                yield _host(whom)


def _host(text: str) -> str:
    """An address without its port: ``192.0.2.1``, ``192.0.2.1:80`` or ``"[2001:db8::1]:80"``."""
    text = text.strip().strip('"')
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and port.isdigit() and ":" not in host else text


def _is_for_here(request: Request, header: str) -> bool:
    if names_loopback(header):
        return True
    try:
        return urlsplit(f"//{header}").hostname == _server_host(request)
    except ValueError:
        return False


def _server_host(request: Request) -> str | None:
    """The address at which the connection arrived: never a name, so it cannot be rebound."""
    server = request.scope.get("server")
    return server[0] if server else None
