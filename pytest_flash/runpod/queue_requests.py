"""Sending requests of the queue and load-balancing planes, on one event loop."""

from __future__ import annotations

from functools import lru_cache

import httpx

from ..network.response_limits import ask
from ..target import Target
from . import connection_options, response_errors
from .connection_pool import DirectClient

_PROXIED = httpx.Limits(max_connections=None, max_keepalive_connections=100)

# Few different addresses are asked again and again, and reading one costs as much as sending it.
_url = lru_cache(maxsize=256)(httpx.URL)


class Sender:
    """Adds a target's key and scope to requests, and sends each of them once.

    ``timeout`` as httpx has it. ``way`` is an address that is reached as the requests' will be:
    directly, or through the target's proxy, by httpx's own means.
    """

    def __init__(self, target: Target, way: str, timeout: httpx.Timeout) -> None:
        self._target = target
        self._fixed = httpx.Headers(connection_options.headers(target))
        self._extensions = {"timeout": timeout.as_dict()}
        self._client: DirectClient | httpx.AsyncClient
        proxy, verify = connection_options.proxy(target, way), connection_options.tls(target, way)
        if proxy is not None:
            self._client = httpx.AsyncClient(
                limits=_PROXIED, proxy=proxy, verify=verify, trust_env=False
            )
        else:
            self._client = DirectClient(verify or None)

    async def send(self, method: str, url: str, payload: bytes | None) -> httpx.Response:
        """Send JSON text, or nothing. Raises RunpodConnectionError when no whole answer came."""
        request = self._request(method, url, payload)
        try:
            if isinstance(self._client, DirectClient):
                return await self._client.send(request)
            return await ask(self._client, request)
        except httpx.RequestError as error:
            fault = response_errors.transport_error(error)
        # Not within the handler: the frames of httpx's error hold the request's headers.
        raise fault

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _request(self, method: str, url: str, payload: bytes | None) -> httpx.Request:
        headers = self._fixed.copy()
        headers.update(self._target.scope_headers())
        if payload is not None:
            headers["Content-Type"] = "application/json"
        return httpx.Request(
            method, _url(url), headers=headers, content=payload, extensions=self._extensions
        )
