"""Requests that reach their handlers without Starlette, and those that do not."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_flash.emulator.server.fast_routes import Direct
from pytest_flash.emulator.server.http_errors import HttpError
from pytest_flash.emulator.server.request_response import error_response


async def told(request: Request) -> Response:
    """Answer with the parameters of the path."""
    return PlainTextResponse(" ".join(f"{k}={v}" for k, v in request.path_params.items()))


async def refused(_: Request) -> Response:
    """Refuse."""
    raise HttpError(409, "not now")


async def failing(_: Request) -> Response:
    """Fail."""
    raise ZeroDivisionError("a mistake")


async def broken(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"broken: {error}", 500)


def ask(method: str, path: str) -> tuple[int, str]:
    """The answer of a plane with such routes, and of what is behind it."""
    direct = Direct(
        [
            Route("/a/v2/{endpoint}/told", told, methods=["GET", "POST"]),
            Route("/a/v2/{endpoint}/told/{worker}/{job}", told, methods=["POST"]),
            Route("/a/v2/{endpoint}/refused", refused, methods=["POST"]),
            Route("/a/v2/{endpoint}/failing", failing, methods=["POST"]),
        ],
        error_response,
        broken,
        PlainTextResponse("otherwise", 404),
    )

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(direct)) as client:
            return await client.request(method, f"http://emulator{path}")

    answer = asyncio.run(once())
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/a/v2/e1/told", (200, "endpoint=e1")),
        ("POST", "/a/v2/e1/told?job=no", (200, "endpoint=e1")),
        ("POST", "/a/v2/e1/told/w%201/j", (200, "endpoint=e1 worker=w 1 job=j")),
        ("POST", "/a/v2/e1/refused", (409, '{"error":"not now"}')),
        ("POST", "/a/v2/e1/failing", (500, "broken: a mistake")),
    ],
)
def test_a_request_is_served(method: str, path: str, answer: tuple[int, str]) -> None:
    assert ask(method, path) == answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/a/v2/e1/told"),
        ("GET", "/a/v2/e1/told/w/j"),
        ("GET", "/a/v2/e1/other"),
        ("GET", "/b/v2/e1/told"),
        ("GET", "/a/v3/e1/told"),
        ("GET", "/a/v2//told"),
        ("GET", "/a/v2/e1/told/"),
        ("POST", "/a/v2/e1/told/w"),
        ("POST", "/a/v2/e1/told/w/j/k"),
        ("GET", "/a/v2/e1"),
        ("GET", "/"),
    ],
)
def test_what_no_route_serves_is_left_to_another(method: str, path: str) -> None:
    assert ask(method, path) == (404, "otherwise")
