"""HTTP clients of the app: an object for each test, over one transport for all of them."""

from __future__ import annotations

import httpx

# The server closes a connection after a handler raised: a client that kept it could see a reset
# in place of its next answer. A new one on loopback costs a fraction of a millisecond.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class SharedTransport(httpx.BaseTransport):
    """A transport that outlives the clients which use it; ``shut`` closes it."""

    def __init__(self) -> None:
        # verify=False: plain HTTP on loopback, and loading certificates would take 20 ms.
        self._transport = httpx.HTTPTransport(verify=False, limits=_LIMITS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._transport.handle_request(request)

    def close(self) -> None:
        """A client has ended; the transport stays."""

    def shut(self) -> None:
        """Close the transport."""
        self._transport.close()


def client(url: str, timeout: float, transport: httpx.BaseTransport) -> httpx.Client:
    """A client of the app at ``url``; ``timeout`` is seconds."""
    return httpx.Client(base_url=url, timeout=timeout, transport=transport, trust_env=False)


def async_client(url: str, timeout: float) -> httpx.AsyncClient:
    """As ``client``, for whichever event loop uses it."""
    transport = httpx.AsyncHTTPTransport(verify=False, limits=_LIMITS)
    return httpx.AsyncClient(base_url=url, timeout=timeout, transport=transport, trust_env=False)
