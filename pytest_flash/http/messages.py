"""Requests and responses of our own traffic, and how long they may take."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from .errors import LocalProtocolError

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

_PORTS = {"http": 80, "https": 443}
# What stands in a path or a query as it is; an existing escape too.
_KEPT = "%/:@!$&'()*+,;=~?[]"
_CHARSET = re.compile(r"charset=[\"']?([^\s;\"']+)", re.IGNORECASE)
_WITH_BODY = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Url:
    """An ``http`` or ``https`` address, taken apart. ``target`` is the path with its query."""

    scheme: str
    host: str
    port: int
    netloc: bytes
    target: bytes
    credentials: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.target.partition(b"?")[0].decode("ascii")

    @property
    def shown(self) -> str:
        """The address in messages: no query, no credentials."""
        return f"{self.scheme}://{self.netloc.decode('ascii')}{self.path}"

    @property
    def is_secure(self) -> bool:
        """Whether it is https."""
        return self.scheme == "https"


@lru_cache(maxsize=256)  # Few are asked again and again.
def parse_url(text: str) -> Url:
    """Raises LocalProtocolError for what is not an ``http`` or ``https`` URL."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:  # UnicodeError is one.
        raise LocalProtocolError(f"not a URL: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise LocalProtocolError("not an http or https URL with a host")
    netloc = f"[{name}]" if ":" in name else name
    if port not in (None, _PORTS[parts.scheme]):
        netloc = f"{netloc}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    user = ""
    if parts.username or parts.password:
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return Url(
        scheme=parts.scheme,
        host=name,
        port=port or _PORTS[parts.scheme],
        netloc=netloc.encode("ascii"),
        target=quote(f"{parts.path or '/'}{query}", safe=_KEPT).encode("ascii"),
        credentials=b64encode(user.encode()) if user else b"",
    )


@dataclass(frozen=True)
class Request:
    """A request with all of the headers that it is sent with."""

    method: str
    url: Url
    headers: Headers = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def to(
        cls, method: str, url: str, headers: Iterable[Header] = (), body: bytes = b""
    ) -> Request:
        """A request with ``Host`` and, where there is or could be a body, ``Content-Length``.

        Raises LocalProtocolError for a URL that is none.
        """
        parsed = parse_url(url)
        sent = [(b"Host", parsed.netloc), *headers]
        if body or method in _WITH_BODY:
            sent.append((b"Content-Length", b"%d" % len(body)))
        if parsed.credentials:
            sent.append((b"Authorization", b"Basic " + parsed.credentials))
        return cls(method, parsed, sent, body)

    def header(self, name: bytes) -> str:
        """The value of a header, ``""`` without one."""
        return value_of(self.headers, name)


@dataclass(frozen=True)
class Response:
    """A whole response, its body unpacked. ``headers`` are as they were sent."""

    request: Request
    status: int
    reason: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body, in the character set that the response names, else UTF-8."""
        named = _CHARSET.search(self.header(b"content-type"))
        try:
            return self.body.decode(named[1] if named else "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def header(self, name: bytes) -> str:
        """The value of a header, ``""`` without one."""
        return value_of(self.headers, name)

    def json(self) -> Any:
        """What the body says. Raises ValueError and RecursionError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Timeouts:
    """Seconds; None is without end.

    ``connect`` for a connection, ``read`` for the next byte either way, ``whole`` for all of the
    request where that is asked for.
    """

    connect: float | None
    read: float | None
    whole: float | None = None


def value_of(headers: Iterable[Header], wanted: bytes) -> str:
    """The values of the header ``wanted`` (lower case), as one."""
    values = (value.strip() for name, value in headers if name.lower() == wanted)
    return b", ".join(values).decode("latin-1")
