"""What the management and the queue client share: headers, time limits, refusals as errors."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import AuthenticationError, NotFoundError, RunpodApiError, RunpodConnectionError
from ..target import Target, is_loopback

_DETAIL_LIMIT = 500


def headers(target: Target) -> dict[str, str]:
    """The headers of every request; both planes take the key as a bearer token."""
    return {
        "Authorization": f"Bearer {target.api_key}",
        "User-Agent": f"pytest-flash/{version('pytest-flash')} Python/{platform.python_version()}",
    }


def uses_proxies(url: str) -> bool:
    """Whether proxy variables of the environment apply: never for loopback."""
    return not is_loopback(urlsplit(url).hostname or "")


def verifies(url: str) -> bool:
    """Whether certificates matter: loading them costs 20 ms that plain loopback does without."""
    return url.startswith("https:")


def check(response: httpx.Response) -> None:
    """Raise the RunpodApiError that ``response`` stands for, if it is not a success.

    REST v2 refuses with ``application/problem+json`` (``title``, ``status``, ``detail``,
    optional ``errors``); the queue plane's error bodies are undocumented, and any JSON object
    with ``error`` or ``message``, or plain text, is understood.
    """
    if response.is_success:
        return
    title, detail = _problem(response)
    kind = {401: AuthenticationError, 404: NotFoundError}.get(response.status_code, RunpodApiError)
    request = response.request
    raise kind(response.status_code, title, detail, request.method, request.url.path)


def body(response: httpx.Response) -> dict[str, Any]:
    """The JSON object that a successful answer carries.

    Raises RunpodConnectionError for anything else: a proxy's page, half a body.
    """
    try:
        value = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunpodConnectionError(
            f"{_line(response)}: the answer is not JSON: {response.text[:200]!r}"
        ) from error
    if not isinstance(value, dict):
        raise RunpodConnectionError(f"{_line(response)}: the answer is not a JSON object")
    return value


def transport_error(error: httpx.TransportError) -> RunpodConnectionError:
    """``error`` with the request that it ended, never with its headers."""
    request = error.request
    what = str(error) or type(error).__name__
    return RunpodConnectionError(
        f"{request.method} {request.url.copy_with(query=None)}: no answer: {what}"
    )


def _line(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.path}: {response.status_code}"


def _problem(response: httpx.Response) -> tuple[str, str]:
    fallback = response.reason_phrase or "error"
    try:
        value = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return fallback, response.text[:_DETAIL_LIMIT]
    if not isinstance(value, dict):
        return fallback, str(value)[:_DETAIL_LIMIT]
    detail = str(value.get("detail") or value.get("error") or value.get("message") or value)
    errors = value.get("errors")
    if isinstance(errors, list) and errors:
        detail = f"{detail} ({'; '.join(map(str, errors))})"
    return str(value.get("title") or fallback), detail[:_DETAIL_LIMIT]
