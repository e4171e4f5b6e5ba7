"""What is answered while the app's code is broken."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp

Message = MutableMapping[str, Any]

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>503: the app is broken</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 60rem; }}
pre {{ background: #f6f6f6; border-left: 4px solid #c00; overflow-x: auto; padding: 1rem; }}
</style>
<h1>The app cannot be served</h1>
<pre>{text}</pre>
<p>Fix it, save, and reload this page.</p>
</html>
"""


def broken(text: str) -> ASGIApp:
    """An app that answers every request with 503 and ``text``, as a page to whoever wants one."""

    async def app(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1012})
        elif scope["type"] == "http":
            response = (
                HTMLResponse(_PAGE.format(text=html.escape(text)), status_code=503)
                if _wants_page(Request(scope))
                else PlainTextResponse(f"{text}\n", status_code=503)
            )
            response.headers["Cache-Control"] = "no-store"
            await response(scope, receive, send)

    return app


def _wants_page(request: Request) -> bool:
    """Browsers name HTML; other clients take anything."""
    return "text/html" in request.headers.get("accept", "")
