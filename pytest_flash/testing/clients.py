"""HTTP clients of the app: an object for each test, over one transport for all of them."""

from __future__ import annotations

import httpx

# Below the time after which the server closes an idle connection, 5 s.
_KEPT_IDLE = 2.0


class SharedTransport(httpx.BaseTransport):
    """Connections that outlive the clients which use them; ``shut`` closes them."""

    def __init__(self) -> None:
        # verify=False: plain HTTP on loopback, and loading certificates would take 20 ms.
        limits = httpx.Limits(keepalive_expiry=_KEPT_IDLE)
        self._transport = httpx.HTTPTransport(verify=False, limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._transport.handle_request(request)

    def close(self) -> None:
        """A client has ended; the connections stay."""

    def shut(self) -> None:
        """Close the connections."""
        self._transport.close()


def client(url: str, timeout: float, transport: httpx.BaseTransport) -> httpx.Client:
    """A client of the app at ``url``; ``timeout`` is seconds."""
    return httpx.Client(base_url=url, timeout=timeout, transport=transport, trust_env=False)


def async_client(url: str, timeout: float) -> httpx.AsyncClient:
    """As ``client``, for whichever event loop uses it; no connection is kept."""
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.AsyncHTTPTransport(verify=False, limits=limits)
    return httpx.AsyncClient(base_url=url, timeout=timeout, transport=transport, trust_env=False)
