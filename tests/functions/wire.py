"""A queue that is scripted, and a function that is called through it."""

from __future__ import annotations

import base64

import cloudpickle

from pytest_flash import LiveServerless, remote
from pytest_flash.functions.specs import FunctionSpec
from pytest_flash.runpod import Endpoint
from tests.runpod.scripted import ScriptedServer, says


@remote(LiveServerless(name="calls"))
def work(text: str = "") -> int:
    return len(text)


RESULT = {"success": True, "result": base64.b64encode(cloudpickle.dumps(7)).decode()}
RUNNING = says({"id": "job1", "status": "IN_PROGRESS"})
POLL = "/ep0/status/job1"
DONE = says({"id": "job1", "status": "COMPLETED", "output": RESULT})


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
