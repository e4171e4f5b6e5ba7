"""The load-balancing plane: any request, carried to a worker of the endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ...http.errors import LocalProtocolError
from ...http.messages import Headers
from ..faults.request_faults import SCOPE_FIELD, scope_of
from ..scheduler.balanced_requests import LostError, Visit
from ..scheduler.load_balanced_endpoint import BalancedEndpoint
from ..server.http_errors import HttpError
from ..server.request_response import disconnected, error_response, first_of, read_body
from ..server.websocket_protocol import MESSAGE_LIMIT
from ..worker.http.server import BALANCER_FIELD
from .http_relay import Relay, RelayedRequest, RelayError, TooLargeError, end_to_end

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..processes.ports import Ports
    from ..processes.worker_credentials import WorkerCredentials
    from ..scheduler.endpoints import EmulatedEndpoints
    from ..scheduler.worker import EmulatedWorker
    from ..startup.config import EmulatorTimings
    from . import websocket_relay

_PREFIX = "/lb"
# A worker's end is known a little later than that of its connection.
_CAUSE_WAIT = 1.0

_WORKER_ID = b"x-runpod-worker-id"
_STRICT = ("strict", "strict-resume")


class LoadBalancer:
    """Serves ``/lb/{endpoint}/{path}``. Workers of our runtime serve nobody else."""

    def __init__(
        self,
        endpoints: EmulatedEndpoints,
        ports: Ports,
        timings: EmulatorTimings,
        credentials: WorkerCredentials,
    ) -> None:
        self._endpoints = endpoints
        self._ports = ports
        self._timings = timings
        self._credentials = credentials

    def routes(self) -> list[BaseRoute]:
        """The routes of this plane: every path and method, and WebSockets."""
        path = _PREFIX + "/{endpoint}/{path:path}"
        return [Route(path, self), WebSocketRoute(path, self.websocket)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises HttpError where the balancer itself answers."""
        request = Request(scope, receive)
        endpoint = self._endpoint(request)
        body = await read_body(request, MESSAGE_LIMIT, status=413)
        visit = endpoint.admit(scope_of(scope), _preferred(endpoint, request))
        try:
            worker = await self._worker(endpoint, visit, request)
            if worker is not None:
                limit = min(self._timings.balancer_limit, endpoint.record.timeout / 1000)
                relay = Relay(send, _Rewriting(request, worker.id), MESSAGE_LIMIT)
                await self._serve(
                    visit, worker, relay, self._outgoing(worker, request, body), receive, limit
                )
        finally:
            endpoint.dismiss(visit)

    async def websocket(self, client: WebSocket) -> None:
        """Serve one WebSocket, which is a request for as long as it is open."""
        try:
            await self._websocket(client)
        except HttpError as error:
            await error_response(error)(client.scope, client.receive, client.send)

    async def _websocket(self, client: WebSocket) -> None:
        from . import websocket_relay  # loads websockets

        endpoint = self._endpoint(client)
        visit = endpoint.admit(scope_of(client.scope), _preferred(endpoint, client))
        try:
            worker = await self._worker(endpoint, visit, client)
            if worker is None:
                return
            ports = self._ports.of(worker.id)
            assert ports is not None
            try:
                link = await websocket_relay.open_socket(self._opening(worker, client), ports.main)
            except websocket_relay.DeniedError as error:
                denial = Response(error.body, error.status, media_type=error.kind)
                await denial(client.scope, client.receive, client.send)
            except websocket_relay.UnreachableError as error:
                raise HttpError(502, f"worker {worker.id} did not answer: {error}") from error
            else:
                await client.accept(link.subprotocol, [(_WORKER_ID, worker.id.encode())])
                await websocket_relay.carry(link, client.receive, client.send, visit.lost)
        finally:
            endpoint.dismiss(visit)

    def _opening(self, worker: EmulatedWorker, client: WebSocket) -> websocket_relay.Opening:
        from . import websocket_relay

        outgoing = self._outgoing(worker, client, b"")
        return websocket_relay.Opening(
            target=outgoing.target.decode("ascii"),
            host=client.headers["host"],
            headers=outgoing.headers,
            subprotocols=tuple(client.scope["subprotocols"]),
            limit=MESSAGE_LIMIT,
        )

    def _endpoint(self, request: HTTPConnection) -> BalancedEndpoint:
        endpoint_id = request.path_params["endpoint"]
        endpoint = self._endpoints.submitting(endpoint_id, scope_of(request.scope))
        if not isinstance(endpoint, BalancedEndpoint):
            raise HttpError(400, "not allowed for QB API")  # Runpod docs, build-a-worker
        return endpoint

    async def _worker(
        self, endpoint: BalancedEndpoint, visit: Visit, request: Request | WebSocket
    ) -> EmulatedWorker | None:
        """Who serves the request; None when its client has gone. Raises HttpError."""
        wait = self._timings.balancer_wait
        if isinstance(request, WebSocket):  # it says nothing before it is accepted
            await asyncio.wait((visit.worker,), timeout=wait)
        elif not await first_of(visit.worker, request, wait):
            return None
        if not visit.worker.done():
            why = endpoint.absence()
            raise HttpError(503, f"no workers available: {why}" if why else "no workers available")
        try:
            return visit.worker.result()
        except LostError as error:
            raise HttpError(503, f"no workers available: {error}") from error

    async def _serve(
        self,
        visit: Visit,
        worker: EmulatedWorker,
        relay: Relay,
        request: RelayedRequest,
        receive: Receive,
        limit: float,
    ) -> None:
        ports = self._ports.of(worker.id)
        assert ports is not None
        carrying = asyncio.ensure_future(relay.carry(request, ports.main))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait(
                (carrying, gone, visit.lost), timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            if gone.done() and not carrying.done():
                return
            if not carrying.done() and not visit.lost.done():
                raise HttpError(504, f"the request took longer than {limit:g} s")
            await _outcome(carrying, visit, worker)
        except HttpError:
            # With half an answer sent, only closing the connection shows that it is incomplete.
            if not relay.begun:
                raise
        finally:
            carrying.cancel()
            gone.cancel()

    def _outgoing(
        self, worker: EmulatedWorker, request: HTTPConnection, body: bytes
    ) -> RelayedRequest:
        scope = request.scope
        prefix = f"{_PREFIX}/{request.path_params['endpoint']}".encode()
        path = scope["raw_path"].removeprefix(prefix) or b"/"
        query = scope["query_string"]
        # The key of an account is the balancer's business alone.
        dropped = (b"authorization", b"expect", BALANCER_FIELD, SCOPE_FIELD)
        headers = end_to_end(scope["headers"], *dropped)
        if (proof := self._credentials.proof(worker.id)) is not None:
            headers.append((BALANCER_FIELD, proof.encode()))
        return RelayedRequest(
            method=scope.get("method", "GET").encode(),
            target=path + (b"?" + query if query else b""),
            headers=headers,
            body=body,
        )


class _Rewriting:
    """Adds the worker's id to an answer, and keeps its redirections below the endpoint's URL.

    On Runpod an endpoint has a host of its own, so that an absolute path is its own, too.
    """

    def __init__(self, request: Request, worker_id: str) -> None:
        self._worker_id = worker_id.encode()
        self._base = f"{_PREFIX}/{request.path_params['endpoint']}".encode()
        self._origin = b"//" + request.headers.get("host", "").encode("latin-1")

    def __call__(self, headers: Headers) -> Headers:
        kept = [
            (name, self._location(value) if name == b"location" else value)
            for name, value in headers
            if name != _WORKER_ID
        ]
        return [*kept, (_WORKER_ID, self._worker_id)]

    def _location(self, value: bytes) -> bytes:
        scheme, found, path = value.partition(self._origin)
        if found and scheme in (b"http:", b"https:", b"") and path[:1] in (b"/", b""):
            return self._base + path
        if value.startswith(b"/") and not value.startswith(b"//"):
            return self._base + value
        return value


def _preferred(endpoint: BalancedEndpoint, request: HTTPConnection) -> str | None:
    """The worker that a request asks for (Runpod docs, worker-affinity).

    Raises HttpError where it insists on one that cannot serve it.
    """
    words = request.headers.get(_WORKER_ID.decode(), "").split()
    if not words:
        return None
    if words[0] in _STRICT and endpoint.able(words[-1]) is None:
        raise HttpError(404, "affinity_worker_gone")
    return words[-1]


async def _outcome(carrying: asyncio.Future[None], visit: Visit, worker: EmulatedWorker) -> None:
    """Return when the answer has been carried; HttpError when there is none."""
    try:
        if not visit.lost.done():
            await carrying
            return
    except TooLargeError:
        raise HttpError(502, "the response is larger than 30 MB") from None
    except LocalProtocolError as error:
        raise HttpError(400, f"the request cannot be passed on: {error}") from error
    except RelayError as error:
        await asyncio.wait((visit.lost,), timeout=_CAUSE_WAIT)
        if not visit.lost.done():
            text = f"worker {worker.id} did not answer: {error}"
            raise HttpError(502, text) from error
    raise HttpError(502, str(visit.lost.result()))
