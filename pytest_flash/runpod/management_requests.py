"""Requests to the management plane: paced, timed, and repeated where that is safe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import NotFoundError, RunpodApiError, RunpodConnectionError
from ..http.errors import ConnectError, LocalProtocolError, OversizedError, TransportError
from ..http.messages import Request, Response, Timeouts
from ..http.response_content import retry_after
from ..target import Target
from . import connection_options, response_errors
from .rate_limit import Pace, exhausted_for
from .retry import Failure, RetryPolicy, Tries

T = TypeVar("T")

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
        timeout: Timeouts,
        key_source: str | None,
    ) -> None:
        self.policy = policy
        self._pace = pace
        self._timeouts = timeout
        self._key_source = key_source
        self._target = target
        self._headers = connection_options.headers(target, key_source)
        self._client = connection_options.open_client(target, target.management_url)

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
        read: Callable[[Response], T],
        tries: Tries,
    ) -> T | Failure:
        """Send a request once. ``read`` takes what is wanted out of a successful answer.

        An answer that ``read`` refuses with RunpodConnectionError is a failure like no answer.
        """
        tries.excuse(self._pace.wait())
        request = self._request(method, path, payload)
        try:
            response = self._client.send(request, self._within(tries))
        except TransportError as error:
            # Not as the cause: its frames hold the request's headers in their variables.
            return Failure(
                response_errors.transport_error(request, error),
                transient=not isinstance(error, LocalProtocolError | OversizedError),
                reached=not isinstance(error, ConnectError | LocalProtocolError),
            )
        wait = retry_after(response) if response.status in _BUSY else None
        self._pace.hold(max(wait or 0, exhausted_for(response.header(b"ratelimit"))))
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

    def _request(self, method: str, path: str, payload: Mapping[str, Any] | None) -> Request:
        headers = [*self._headers, *connection_options.scope_headers(self._target)]
        if payload is None:
            body = b""
        else:
            body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
            headers.append((b"Content-Type", b"application/json"))
        return Request.to(method, self._target.management_url + path, headers, body)

    def _within(self, tries: Tries) -> Timeouts:
        """The limits of an attempt, which ends with the call's deadline."""
        return replace(self._timeouts, whole=max(tries.remaining(), _SHORTEST))
