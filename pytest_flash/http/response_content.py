"""What a response says: its JSON, or why the request was refused."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ..security.api_key import HIDDEN
from .messages import Request, Response

_DETAIL_LIMIT = 500
_BODY_LIMIT = 200

_SECONDS = re.compile(r"[0-9]{1,9}")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class UnreadableContentError(Exception):
    """A whole response came, but its content is not what was asked for."""


@dataclass(frozen=True)
class Refusal:
    """A response that is not a success, in the words of whoever sent it.

    ``detail`` includes the ``errors`` that the response lists. ``is_json`` is False for a page of
    a proxy, or of another server. ``retry_after`` is seconds.
    """

    status: int
    title: str
    detail: str
    is_json: bool
    retry_after: int | None


def refusal(response: Response) -> Refusal | None:
    """Why ``response`` refuses its request; None for a success.

    REST v2 and the emulator's control plane refuse with ``title``, ``status``, ``detail`` and
    optional ``errors`` (``application/problem+json``); the queue plane's error bodies are
    undocumented, and any JSON object with ``error`` or ``message``, or plain text, is understood.
    """
    if response.is_success:
        return None
    title, detail, is_json = _problem(response)
    return Refusal(response.status, title, detail, is_json, retry_after(response))


def json_object(response: Response) -> dict[str, Any]:
    """The JSON object that a response carries.

    Raises UnreadableContentError for anything else: a proxy's page, half a body.
    """
    value = json_value(response)
    if not isinstance(value, dict):
        raise UnreadableContentError(
            f"{_line(response)}: the answer is not a JSON object: {_text(response, _BODY_LIMIT)!r}"
        )
    return value


def no_content(response: Response) -> None:
    """Accept a response without a body (204). Raises UnreadableContentError for a proxy's page."""
    if response.body:
        text = _text(response, _BODY_LIMIT)
        raise UnreadableContentError(f"{_line(response)}: expected no content, got {text!r}")


def retry_after(response: Response) -> int | None:
    """The integer seconds of ``Retry-After`` (REST v2 schema, TooManyRequestsError), or None."""
    value = response.header(b"retry-after")
    return int(value) if _SECONDS.fullmatch(value) else None


def without_key(request: Request, text: str) -> str:
    """``text`` without the request's key, of whatever length: some servers quote headers."""
    key = request.header(b"authorization").removeprefix("Bearer ")
    return text.replace(key, HIDDEN) if key else text


def json_value(response: Response) -> Any:
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


def _line(response: Response) -> str:
    return f"{response.request.method} {response.request.url.path}: {response.status}"


def _problem(response: Response) -> tuple[str, str, bool]:
    reason = response.reason.decode("ascii", "ignore")
    fallback = without_key(response.request, reason)[:_DETAIL_LIMIT] or "error"
    value = json_value(response)
    if not isinstance(value, dict):
        return fallback, _text(response, _DETAIL_LIMIT), False
    detail = str(value.get("detail") or value.get("error") or value.get("message") or value)
    errors = value.get("errors")
    if isinstance(errors, list) and errors:
        detail = f"{detail} ({'; '.join(map(str, errors))})"
    title = without_key(response.request, str(value.get("title") or fallback))
    return title[:_DETAIL_LIMIT], without_key(response.request, detail)[:_DETAIL_LIMIT], True


def _text(response: Response, limit: int) -> str:
    return without_key(response.request, response.text)[:limit]
