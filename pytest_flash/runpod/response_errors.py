"""Refusals and failed requests as RunpodErrors, and what successful responses hold."""

from __future__ import annotations

import errno
import socket
from typing import Any

from ..errors import AuthenticationError, NotFoundError, RunpodApiError, RunpodConnectionError
from ..http.errors import ConnectError, ConnectTimeoutError, OversizedError, TransportError
from ..http.messages import Request, Response
from ..http.response_content import (
    UnreadableContentError,
    json_object,
    no_content,
    refusal,
    without_key,
)
from .connection_options import key_named

# A machine without a file, a port or memory for one more connection, or without a network.
_PASSING = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, socket.EAI_AGAIN),
}


def check(response: Response, key_source: str | None = None) -> None:
    """Raise the RunpodApiError that ``response`` stands for, if it is not a success."""
    refused = refusal(response)
    if refused is None:
        return
    status, title, detail = refused.status, refused.title, refused.detail
    method, path, seconds = response.request.method, response.request.url.path, refused.retry_after
    if status == 401:
        hint = (
            f"{key_named(key_source)} was refused; check that it is complete and not revoked, or "
            "create one in the Runpod console under Settings > API Keys"
        )
        raise AuthenticationError(status, title, detail, method, path, hint)
    if status == 429 and seconds is not None:
        detail = f"{detail} (retry after {seconds} s)"
    if status == 404:
        raise NotFoundError(status, title, detail, method, path)
    hint = ""
    if status == 403:
        hint = (
            f"{key_named(key_source)} may not do this; check its permissions in the Runpod console "
            "under Settings > API Keys"
        )
    error = RunpodApiError(status, title, detail, method, path, hint)
    error.retry_after = seconds
    raise error


def body(response: Response) -> dict[str, Any]:
    """The JSON object that a successful answer carries. Raises RunpodConnectionError without."""
    try:
        return json_object(response)
    except UnreadableContentError as error:
        raise RunpodConnectionError(str(error)) from None


def nothing(response: Response) -> None:
    """Accept an answer without a body (204). Raises RunpodConnectionError for one with a body."""
    try:
        no_content(response)
    except UnreadableContentError as error:
        raise RunpodConnectionError(str(error)) from None


def transport_error(request: Request, error: TransportError) -> RunpodConnectionError:
    """``error`` with the request that it ended, never with its headers."""
    # Of an answer that is no HTTP the error quotes a line.
    what = without_key(request, str(error)) or type(error).__name__
    if not isinstance(error, OversizedError):
        what = f"no answer: {what}"
    made = RunpodConnectionError(f"{request.method} {request.url.shown}: {what}")
    made.reached = not isinstance(error, ConnectError)
    made.passes = not made.reached and _passes(error)
    return made


def _passes(error: TransportError) -> bool:
    """Whether a connection that could not be made may be made soon. One that is refused may not."""
    if isinstance(error, ConnectTimeoutError):
        return True
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    return isinstance(cause, OSError) and cause.errno in _PASSING
