"""The clients where the environment names a proxy: httpx carries everything.

Imported only then, since mocks and recorders see what httpx sends.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx

from ..clock import monotonic
from . import errors
from .body_limits import LimitedBody
from .messages import Request, Response, Timeouts
from .protocol import Head
from .streaming import Incoming, in_time, whole_of

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100)
# The first that fits.
_KINDS: tuple[tuple[type[httpx.RequestError], type[errors.TransportError]], ...] = (
    (httpx.ConnectTimeout, errors.ConnectTimeoutError),
    (httpx.PoolTimeout, errors.ConnectTimeoutError),
    (httpx.ConnectError, errors.ConnectError),
    (httpx.ProxyError, errors.ConnectError),
    (httpx.WriteTimeout, errors.WriteTimeoutError),
    (httpx.TimeoutException, errors.ReadTimeoutError),
    (httpx.NetworkError, errors.LostConnectionError),
    (httpx.RemoteProtocolError, errors.RemoteProtocolError),
    (httpx.LocalProtocolError, errors.LocalProtocolError),
    (httpx.UnsupportedProtocol, errors.LocalProtocolError),
    (httpx.DecodingError, errors.DecodingError),
)


class ProxiedClient:
    """As ``blocking.Client``, through a proxy. Without an end to headers that trickle in."""

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        self._client = httpx.Client(
            proxy=proxy, verify=context or False, limits=_LIMITS, trust_env=False
        )

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send a request and read the whole response. Raises a TransportError without one."""
        deadline = monotonic() + whole_of(timeouts)
        with _translated():
            response = self._client.send(_theirs(request, timeouts), stream=True)
            try:
                body = LimitedBody(response.headers.raw)
                for part in response.iter_raw():
                    body.add(part)
                    if monotonic() > deadline:
                        raise errors.ReadTimeoutError("it took too long")
            finally:
                response.close()
        return _head(response).response(request, body.whole())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class ProxiedAsyncClient:
    """As ``pool.AsyncClient``, through a proxy."""

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        self._client = httpx.AsyncClient(
            proxy=proxy, verify=context or False, limits=_LIMITS, trust_env=False
        )

    async def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send a request and read the whole response. Raises a TransportError without one."""
        async with self.stream(request, timeouts) as response:
            return await response.whole()

    @contextlib.asynccontextmanager
    async def stream(self, request: Request, timeouts: Timeouts) -> AsyncIterator[Incoming]:
        """The response to ``request``, its body to be read. Raises TransportErrors."""
        seconds = whole_of(timeouts)
        with _translated(), in_time(seconds):
            response = await self._client.send(_theirs(request, timeouts), stream=True)
        try:
            yield Incoming(request, _head(response), _chunks(response), seconds)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _theirs(request: Request, timeouts: Timeouts) -> httpx.Request:
    host = request.header(b"host")
    limits = httpx.Timeout(timeouts.read, connect=timeouts.connect, pool=None)
    return httpx.Request(
        request.method,
        f"{request.url.scheme}://{host}{request.url.target.decode('ascii')}",
        headers=list(request.headers),
        content=request.body,
        extensions={"timeout": limits.as_dict()},
    )


def _head(response: httpx.Response) -> Head:
    reason = response.extensions.get("reason_phrase", b"")
    return Head(response.status_code, reason, response.headers.raw)


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    with _translated():
        async for part in response.aiter_raw():
            yield part


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise our errors for those of httpx."""
    try:
        yield
    except httpx.RequestError as error:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), None)
        raise (kind or errors.TransportError)(str(error) or type(error).__name__) from error
