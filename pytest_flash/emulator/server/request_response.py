"""Requests read and answers written, alike on every plane."""

from __future__ import annotations

import asyncio
import json
import math
import reprlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from .http_errors import HttpError

if TYPE_CHECKING:
    from ...wire import documents

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_ASCII_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


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
    try:
        return _ENCODER.encode(content).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can name but UTF-8 cannot
        return _ASCII_ENCODER.encode(content).encode()


def error_response(error: HttpError) -> Response:
    """A refusal on a plane of whose error bodies only the key ``error`` is documented."""
    return json_response({"error": error.detail}, error.status)


def problem_response(error: HttpError) -> Response:
    """A refusal as ``application/problem+json`` (REST v2 schema ``ErrorResponse``)."""
    problem: documents.Problem = {
        "title": _title(error.status),
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        problem["errors"] = list(error.errors)
    return json_response(problem, error.status, "application/problem+json")


async def read_body(request: Request, limit: int, *, status: int = 400) -> bytes:
    """The whole body. Raises HttpError ``status`` when it is longer than ``limit`` bytes."""
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            _too_large(limit, status)
    chunks: list[bytes] = []
    length, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
        length += len(chunks[-1])
        if length > limit:
            _too_large(limit, status)
    return b"".join(chunks)


def parameter(request: Request, name: str, default: str = "") -> str:
    """A query parameter; of several with one name the last. For the planes that jobs go through:
    Starlette's multidict of them all costs more than it is worth there."""
    query: str = request.scope["query_string"].decode("latin-1")
    return dict(parse_qsl(query, keep_blank_values=True)).get(name, default)


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
