"""The console as an ASGI application, and how it stands beside the user's app."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..progress import Job
from .access import cookie_name, objection
from .journal import Journal
from .rerun import CannotRepeatError
from .stream import Streams
from .token import ConsoleAccess
from .views import details
from .worker_watch import WorkerWatch

_CLOSED = (
    "This console opens with the address that `flash run` prints, and with no other.\n"
    "Copy it from the terminal. If you just did, from a terminal in a browser, reload this page."
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HIDDEN = "[the console's token]"
_ASSETS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Console:
    """The page, what feeds it, and the guard before both.

    ``again`` starts a job's function with the same arguments, or raises CannotRepeatError.
    """

    def __init__(
        self,
        journal: Journal,
        access: ConsoleAccess,
        workers: WorkerWatch,
        again: Callable[[Job], None],
    ) -> None:
        self.path = access.path
        self._token = access.token.encode()
        self._journal = journal
        self._streams = Streams(journal, workers)
        self._again = again
        static = files(__package__) / "static"
        self._page = (static / "console.html").read_text("utf-8").replace("{path}", access.path)
        self._assets = {name: (static / name).read_bytes() for name in _ASSETS}
        self._app = Starlette(
            routes=self._routes(),
            middleware=[Middleware(_Guard, access=access)],
        )

    def beside(self, app: ASGIApp) -> ASGIApp:
        """An application that serves the console at its path, and ``app`` everywhere else."""
        below = f"{self.path}/"

        async def both(scope: Scope, receive: Receive, send: Send) -> None:
            # As it was asked for: a server puts its --root-path in front.
            path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
            ours = scope["type"] == "http" and (path == self.path or path.startswith(below))
            if not ours and (query := scope.get("query_string")):
                # A mistyped path: what opens the console is none of the app's business.
                scope["query_string"] = self._without_token(query)
            await (self._app if ours else app)(scope, receive, send)

        return both

    def _without_token(self, query: bytes) -> bytes:
        if self._token not in query:
            return query
        return b"&".join(each for each in query.split(b"&") if self._token not in each)

    def close(self) -> None:
        """End what is open, so that the server can stop. From any thread."""
        self._streams.close()

    def _routes(self) -> list[Route]:
        return [
            Route(self.path, self._show, methods=["GET"]),
            Route(f"{self.path}/events", self._stream, methods=["GET"]),
            Route(f"{self.path}/jobs/{{job}}", self._job, methods=["GET"]),
            Route(f"{self.path}/jobs/{{job}}/again", self._repeat, methods=["POST"]),
            Route(f"{self.path}/{{asset}}", self._asset, methods=["GET"]),
        ]

    async def _show(self, _: Request) -> Response:
        return Response(self._page, media_type="text/html; charset=utf-8")

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["asset"]
        if name not in self._assets:
            return PlainTextResponse("There is nothing here.", 404)
        return Response(self._assets[name], media_type=_ASSETS[name])

    async def _stream(self, _: Request) -> Response:
        return StreamingResponse(self._streams.messages(), media_type="text/event-stream")

    async def _job(self, request: Request) -> Response:
        entry = self._journal.history.jobs.get(request.path_params["job"])
        if entry is None:
            return _forgotten()
        # In ASCII: a function may print or return half a surrogate pair.
        return Response(json.dumps(details(entry)), media_type="application/json")

    async def _repeat(self, request: Request) -> Response:
        entry = self._journal.history.jobs.get(request.path_params["job"])
        if entry is None:
            return _forgotten()
        try:
            self._again(entry.job)
        except CannotRepeatError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({}, 202)


class _Guard:
    """Lets in whoever has the cookie, gives it for the token, and refuses everyone else."""

    def __init__(self, app: ASGIApp, access: ConsoleAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = self._answer(Request(scope)) or self._app
        await response(scope, receive, _with_headers(send))

    def _answer(self, request: Request) -> Response | None:
        refusal = objection(request)
        if refusal is not None:
            return PlainTextResponse(refusal, 403)
        token = request.query_params.get("token")
        if request.method == "GET" and token is not None and self._access.opens(token):
            return self._admitted(request, token)
        if not self._access.opens(request.cookies.get(cookie_name(request))):
            return PlainTextResponse(_CLOSED, 403)
        return None

    def _admitted(self, request: Request, token: str) -> Response:
        # Without the token, lest it stays in the address line and the browser's history.
        response = RedirectResponse(self._access.path, 303)
        response.set_cookie(
            cookie_name(request), token, path=self._access.path, httponly=True, samesite="strict"
        )
        return response


class WithoutToken(logging.Filter):
    """Blots the token out of what uvicorn logs: it may be asked for at a mistyped path."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, without the token."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.replace(self._token, _HIDDEN) if isinstance(each, str) else each
                for each in record.args
            )
        return True


class WithoutConsole(logging.Filter):
    """Keeps requests of the console out of uvicorn's access log."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is about the app."""
        target = record.args[2] if isinstance(record.args, tuple) and len(record.args) > 2 else ""
        path = str(target).partition("?")[0]
        return path != self._path and not path.startswith(f"{self._path}/")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", ())
            extra = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*given, *extra]}
        await send(message)

    return sending


def _forgotten() -> Response:
    return JSONResponse({"error": "this job is not remembered any more"}, 404)
