"""A queue that is scripted, and a function that is called through it."""

from __future__ import annotations

import base64
from typing import Any

import cloudpickle

from pytest_flash import LiveServerless, remote
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.onworker.entry_point import ANSWER
from pytest_flash.functions.onworker.signing import Signer
from pytest_flash.runpod import Endpoint
from tests.runpod.scripted import Act, Exchange, ScriptedServer, says


@remote(LiveServerless(name="calls"))
def work(text: str = "") -> int:
    return len(text)


def signer_of(request: dict[str, Any]) -> Signer:
    """The signer of the call that a FunctionRequest is of, as its worker has it."""
    return Signer(bytes(cloudpickle.loads(base64.b64decode(request["args"][2]))))


def result_of(request: dict[str, Any], value: Any, printed: str = "") -> dict[str, Any]:
    """The FunctionResponse with which our code on a worker answers."""
    answer = (ANSWER, signer_of(request).sign(ANSWER), (printed, "", 0), cloudpickle.dumps(value))
    result = base64.b64encode(cloudpickle.dumps(answer)).decode()
    return {"success": True, "result": result, "stdout": printed}


def completed(
    value: Any, printed: str = "", *, submitted_to: ScriptedServer | None = None, **status: Any
) -> Act:
    """Say that the job which was submitted last has returned ``value``."""

    def act(exchange: Exchange) -> None:
        bodies = [each.body for each in (submitted_to or exchange.server.owner).requests]
        request = next(each["input"] for each in reversed(bodies) if each)
        output = result_of(request, value, printed)
        says({"id": "job1", "status": "COMPLETED", "output": output, **status})(exchange)

    return act


def answered(value: Any, printed: str = "", **headers: Any) -> Act:
    """Answer a bare FunctionRequest as the worker whose function has returned ``value``."""
    return lambda exchange: says(result_of(exchange.request_read.body, value, printed), **headers)(
        exchange
    )


RUNNING = says({"id": "job1", "status": "IN_PROGRESS"})
POLL = "/ep0/status/job1"
DONE = completed(7)


class Endpoints:
    """Makes endpoint after endpoint, and remembers which were said to be gone."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    async def find(self, _spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        if gone is not None:
            self.gone.append(gone.id)
        return Endpoint(id=f"ep{len(self.gone)}", name="live-calls", timeout=60_000)


def paths(server: ScriptedServer) -> list[str]:
    return [request.path.partition("?")[0] for request in server.requests]


def cancelled(server: ScriptedServer) -> bool:
    return "/ep0/cancel/job1" in paths(server)
