"""The control plane: faults for tests, and what the endpoints are doing. Not Runpod's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from ..processes.worker_stacks import NoStackError, read_stacks
from ..scheduler.diagnosis import endpoint_report
from ..server.daemon_threads import in_thread
from ..server.http_errors import HttpError
from ..server.request_response import json_response, read_body

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from ..faults.fault_types import Effect, Fault, Faults
    from ..scheduler.endpoints import EmulatedEndpoints

_BODY_LIMIT = 1_000_000


class ControlPlane:
    """Handlers of ``/control``. ``stack_file`` says where a worker writes its stacks."""

    def __init__(
        self, endpoints: EmulatedEndpoints, faults: Faults, stack_file: Callable[[str], Path]
    ) -> None:
        self._endpoints = endpoints
        self._faults = faults
        self._stack_file = stack_file

    def routes(self) -> list[Route]:
        """The routes of this plane."""
        return [
            Route("/control/faults", self.list, methods=["GET"]),
            Route("/control/faults", self.add, methods=["POST"]),
            Route("/control/faults/{fault}", self.remove, methods=["DELETE"]),
            Route("/control/scopes/{scope}", self.end_scope, methods=["DELETE"]),
            Route("/control/scopes/{scope}/advance", self.advance, methods=["POST"]),
            Route("/control/endpoints", self.report, methods=["GET"]),
            Route("/control/workers/{worker}/stack", self.stack, methods=["GET"]),
        ]

    async def list(self, _: Request) -> Response:
        """``GET /control/faults``."""
        return json_response({"faults": [_document(fault) for fault in self._faults.all()]})

    async def add(self, request: Request) -> Response:
        """``POST /control/faults``: puts a fault in force."""
        from ..faults.fault_requests import parse_fault  # pydantic

        body = parse_fault(await read_body(request, _BODY_LIMIT))
        endpoint = body.get("endpoint")
        fault = self._faults.add(
            body["effect"],
            scope=body.get("scope"),
            endpoint=None if endpoint is None else self._endpoint_id(endpoint),
            count=body.get("count"),
        )
        return json_response(_document(fault), 201)

    async def remove(self, request: Request) -> Response:
        """``DELETE /control/faults/{fault}``."""
        fault_id = request.path_params["fault"]
        if not self._faults.remove(lambda fault: fault.id == fault_id):
            raise HttpError(404, f"fault {fault_id!r} not found: it never was, or was removed")
        return Response(status_code=204)

    async def end_scope(self, request: Request) -> Response:
        """``DELETE /control/scopes/{scope}``: removes its faults; nothing else may be left."""
        scope = request.path_params["scope"]
        self._faults.remove(lambda fault: fault.scope == scope)
        self._endpoints.end_scope(scope)
        return Response(status_code=204)

    async def advance(self, request: Request) -> Response:
        """``POST /control/scopes/{scope}/advance``: time passes for its jobs and their workers."""
        from ..faults.fault_requests import parse_advance  # pydantic

        seconds = parse_advance(await read_body(request, _BODY_LIMIT))
        self._endpoints.advance(request.path_params["scope"], seconds)
        return Response(status_code=204)

    async def report(self, _: Request) -> Response:
        """``GET /control/endpoints``: their workers, and their jobs that have not ended."""
        endpoints = [self._endpoints.parts(each.record.id) for each in self._endpoints.all()]
        return json_response({"endpoints": [endpoint_report(parts) for parts in endpoints]})

    async def stack(self, request: Request) -> Response:
        """``GET /control/workers/{worker}/stack``: ``stack``, or null and the ``reason``."""
        worker_id = request.path_params["worker"]
        pid = self._pid(worker_id)
        try:
            if pid is None:
                raise NoStackError("its process has not been started yet")
            stack = await in_thread(partial(read_stacks, pid, self._stack_file(worker_id)))
        except NoStackError as error:
            return json_response({"stack": None, "reason": str(error)})
        return json_response({"stack": stack, "reason": None})

    def _pid(self, worker_id: str) -> int | None:
        """The process of a worker, None before there is one. Raises HttpError 404."""
        for endpoint in self._endpoints.all():
            for part in self._endpoints.parts(endpoint.record.id):
                if worker := part.worker(worker_id):
                    return None if worker.process is None else worker.process.pid
        raise HttpError(404, f"worker {worker_id!r} not found: it never was, or has ended")

    def _endpoint_id(self, given: str) -> str:
        records = [endpoint.record for endpoint in self._endpoints.all()]
        for record in records:
            if given in (record.id, record.name):
                return record.id
        known = ", ".join(f"{record.name} ({record.id})" for record in records) or "none"
        raise HttpError(404, f"no endpoint has the id or name {given!r}; there are: {known}")


def _document(fault: Fault[Effect]) -> dict[str, Any]:
    return {
        "id": fault.id,
        "effect": asdict(fault.effect),
        "scope": fault.scope,
        "endpoint": fault.endpoint,
        "left": fault.left,
    }
