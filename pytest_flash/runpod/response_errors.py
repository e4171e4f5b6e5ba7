"""Responses and failed requests as errors, and what successful ones hold."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket
from typing import Any

from pydantic import TypeAdapter

from ..errors import AuthenticationError, NotFoundError, RunpodApiError, RunpodConnectionError
from ..http.errors import ConnectError, ConnectTimeoutError, OversizedError, TransportError
from ..http.messages import Request, Response
from ..security.api_key import HIDDEN
from .connection_options import key_named

_DETAIL_LIMIT = 500
_BODY_LIMIT = 200

_SECONDS = re.compile(r"[0-9]{1,9}")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)
# A machine without a file, a port or memory for one more connection, or without a network.
_PASSING = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, socket.EAI_AGAIN),
}


def check(response: Response, key_source: str | None = None) -> None:
    """Raise the RunpodApiError that ``response`` stands for, if it is not a success.

    REST v2 refuses with ``application/problem+json`` (``title``, ``status``, ``detail``,
    optional ``errors``); the queue plane's error bodies are undocumented, and any JSON object
    with ``error`` or ``message``, or plain text, is understood.
    """
    if response.is_success:
        return
    title, detail = _problem(response)
    status, method, path = response.status, response.request.method, response.request.url.path
    if status == 401:
        hint = (
            f"{key_named(key_source)} was refused; check that it is complete and not revoked, or "
            "create one in the Runpod console under Settings > API Keys"
        )
        raise AuthenticationError(status, title, detail, method, path, hint)
    seconds = retry_after(response)
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
    refused = RunpodApiError(status, title, detail, method, path, hint)
    refused.retry_after = seconds
    raise refused


def body(response: Response) -> dict[str, Any]:
    """The JSON object that a successful answer carries.

    Raises RunpodConnectionError for anything else: a proxy's page, half a body.
    """
    value = _json(response)
    if not isinstance(value, dict):
        raise RunpodConnectionError(
            f"{_line(response)}: the answer is not a JSON object: {_text(response, _BODY_LIMIT)!r}"
        )
    return value


def nothing(response: Response) -> None:
    """Accept an answer without a body (204); a proxy's page is a RunpodConnectionError."""
    if response.body:
        text = _text(response, _BODY_LIMIT)
        raise RunpodConnectionError(f"{_line(response)}: expected no content, got {text!r}")


def transport_error(request: Request, error: TransportError) -> RunpodConnectionError:
    """``error`` with the request that it ended, never with its headers."""
    # Of an answer that is no HTTP the error quotes a line.
    what = _hidden(request, str(error)) or type(error).__name__
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


def retry_after(response: Response) -> int | None:
    """The integer seconds of ``Retry-After`` (REST v2 schema, TooManyRequestsError), or None."""
    value = response.header(b"retry-after")
    return int(value) if _SECONDS.fullmatch(value) else None


def _line(response: Response) -> str:
    return f"{response.request.method} {response.request.url.path}: {response.status}"


def _json(response: Response) -> Any:
    """What the body holds; None when it is not JSON, or JSON that Python refuses to read."""
    with contextlib.suppress(ValueError):
        # Ten times as fast with long texts, but stricter.
        return _ANY.validate_json(response.body)
    try:
        return response.json()
    except UnicodeDecodeError:
        text = response.body.decode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None
    # A name that somebody else gave something must not hide all the others.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _problem(response: Response) -> tuple[str, str]:
    fallback = (
        _hidden(response.request, response.reason.decode("ascii", "ignore"))[:_DETAIL_LIMIT]
        or "error"
    )
    value = _json(response)
    if not isinstance(value, dict):
        return fallback, _text(response, _DETAIL_LIMIT)
    detail = str(value.get("detail") or value.get("error") or value.get("message") or value)
    errors = value.get("errors")
    if isinstance(errors, list) and errors:
        detail = f"{detail} ({'; '.join(map(str, errors))})"
    title = _hidden(response.request, str(value.get("title") or fallback))
    return title[:_DETAIL_LIMIT], _hidden(response.request, detail)[:_DETAIL_LIMIT]


def _text(response: Response, limit: int) -> str:
    return _hidden(response.request, response.text)[:limit]


def _hidden(request: Request, text: str) -> str:
    """``text`` without the key, of whatever length: some servers and proxies quote headers."""
    key = request.header(b"authorization").removeprefix("Bearer ")
    return text.replace(key, HIDDEN) if key else text
