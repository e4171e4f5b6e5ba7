"""Requests to the management plane: paced, timed, and repeated where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from ..errors import NotFoundError, RunpodApiError, RunpodConnectionError
from ..network.response_limits import ENCODINGS, LimitedBody, OversizedError, naming, read_response
from ..target import Target
from . import connection_options, response_errors
from .rate_limit import Pace, exhausted_for
from .retry import Failure, RetryPolicy, Tries

T = TypeVar("T")

# The connection was never made: the server has seen nothing.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# Ours or the configuration's fault: the same would happen again.
_LASTING = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_BUSY = (429, 503)
_SHORTEST = 0.05


class Api:
    """One Runpod's management plane. Safe to share by threads.

    ``timeout`` bounds the connecting, and the wait for each next part of an answer; the policy's
    deadline bounds the whole.
    """

    def __init__(
        self,
        target: Target,
        *,
        policy: RetryPolicy,
        pace: Pace,
        timeout: httpx.Timeout,
        key_source: str | None,
    ) -> None:
        self.policy = policy
        self._pace = pace
        self._timeout = timeout
        self._key_source = key_source
        self._target = target
        self._client = httpx.Client(
            base_url=target.management_url,
            headers={
                **connection_options.headers(target, key_source),
                "Accept-Encoding": ENCODINGS,
            },
            verify=connection_options.tls(target, target.management_url),
            proxy=connection_options.proxy(target, target.management_url),
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self, method: str, path: str, payload: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send an idempotent request, again if need be; returns the JSON object answered.

        Raises RunpodApiError for a refusal and RunpodConnectionError when no usable answer
        arrived, each when it is lasting or when the attempts or the time are used up.
        """
        tries = Tries(self.policy)
        while True:
            outcome = self.attempt(method, path, payload, read=response_errors.body, tries=tries)
            if not isinstance(outcome, Failure):
                return outcome
            tries.pause(outcome)

    def delete(self, path: str) -> bool:
        """``DELETE path``, again if need be; False if it was gone before. Raises as ``call``."""
        tries = Tries(self.policy)
        reached = False
        while True:
            outcome = self.attempt("DELETE", path, None, read=response_errors.nothing, tries=tries)
            if not isinstance(outcome, Failure):
                return True
            if isinstance(outcome.error, NotFoundError):
                return reached
            reached = reached or outcome.reached
            tries.pause(outcome)

    def attempt(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None,
        *,
        read: Callable[[httpx.Response], T],
        tries: Tries,
    ) -> T | Failure:
        """Send a request once. ``read`` takes what is wanted out of a successful answer.

        An answer that ``read`` refuses with RunpodConnectionError is a failure like no answer.
        """
        tries.excuse(self._pace.wait())
        try:
            response = self._exchange(method, path, payload, tries)
        except httpx.RequestError as error:
            # Not as the cause: its frames hold the request's headers in their variables.
            return Failure(
                response_errors.transport_error(error),
                transient=not isinstance(error, (*_LASTING, OversizedError)),
                reached=not isinstance(error, (*_UNSENT, *_LASTING)),
            )
        wait = response_errors.retry_after(response) if response.status_code in _BUSY else None
        self._pace.hold(max(wait or 0, exhausted_for(response.headers.get("RateLimit", ""))))
        try:
            response_errors.check(response, self._key_source)
            return read(response)
        except RunpodApiError as error:
            broken = error.status >= 500
            return Failure(
                error, transient=broken or error.status == 429, reached=broken, wait=wait
            )
        except RunpodConnectionError as error:
            return Failure(error, transient=True, reached=True)

    def _exchange(
        self, method: str, path: str, payload: Mapping[str, Any] | None, tries: Tries
    ) -> httpx.Response:
        """The whole answer; httpx.ReadTimeout if it still trickles in at the deadline."""
        limits = _within(self._timeout, max(tries.remaining(), _SHORTEST))
        headers = self._target.scope_headers()
        with (
            self._client.stream(
                method, path, json=payload, headers=headers, timeout=limits
            ) as response,
            naming(response.request),
        ):
            body = LimitedBody(response.headers.raw)
            for part in response.iter_raw():
                body.add(part)
                if tries.remaining() < 0:
                    raise httpx.ReadTimeout("it took too long")
        return read_response(response, body)


def _within(timeout: httpx.Timeout, seconds: float) -> httpx.Timeout:
    """``timeout`` with no part longer than ``seconds``."""
    parts = timeout.as_dict().items()
    return httpx.Timeout(
        **{name: seconds if part is None else min(part, seconds) for name, part in parts}
    )
