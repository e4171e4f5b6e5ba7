"""Requests read and answers written, alike on every plane."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import reprlib
from http import HTTPStatus
from typing import Any, Final, NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from .errors import HttpError


def json_response(
    content: Any, status: int = 200, media_type: str = "application/json"
) -> Response:
    """``content`` as compact JSON."""
    return Response(encode(content), status, media_type=media_type)


def raw_response(text: bytes) -> Response:
    """JSON that stands already."""
    return Response(text, media_type="application/json")


def encode(content: Any) -> bytes:
    """``content`` as compact JSON."""
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return body.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can name but UTF-8 cannot
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def error_response(error: HttpError) -> Response:
    """A refusal on a plane of whose error bodies only the key ``error`` is documented."""
    return json_response({"error": error.detail}, error.status)


def problem_response(error: HttpError) -> Response:
    """A refusal as ``application/problem+json`` (REST v2 schema ``ErrorResponse``)."""
    problem: dict[str, Any] = {
        "title": _title(error.status),
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        problem["errors"] = list(error.errors)
    return json_response(problem, error.status, "application/problem+json")


async def read_body(request: Request, limit: int, *, status: int = 400) -> bytes:
    """The whole body. Raises HttpError ``status`` when it is longer than ``limit`` bytes."""
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > limit:
            _too_large(limit, status)
    chunks, length = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        length += len(chunk)
        if length > limit:
            _too_large(limit, status)
    return b"".join(chunks)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises HttpError 400 for anything else."""
    try:
        value = DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"the request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise HttpError(400, "the request body must be a JSON object")
    return value


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone. For use after the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(awaited: asyncio.Future[Any], request: Request, seconds: float) -> bool:
    """Wait for ``awaited``, for up to ``seconds``; False when the client went away meanwhile."""
    if awaited.done():
        return True
    gone = asyncio.ensure_future(disconnected(request.receive))
    try:
        await asyncio.wait((awaited, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return not gone.done()
    finally:
        gone.cancel()


def _too_large(limit: int, status: int) -> NoReturn:
    raise HttpError(status, f"the payload is larger than {limit // 1_000_000} MB")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {reprlib.repr(text)} is too large")
    return number


DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
"""Reads JSON as the standard has it: no NaN, and no number that is infinite here."""


def _title(status: int) -> str:
    # Its name in RFC 9110, and in Python from 3.13 on, is another than in Runpod's schema.
    if status == 422:
        return "Unprocessable Entity"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"  # a status that only a fault can ask for
