"""Events as a ``flash run`` reports them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_flash.console.history import Recorded
from pytest_flash.events import (
    EndpointFound,
    EndpointReady,
    Event,
    FunctionFound,
    JobEnded,
    JobStarted,
    Serving,
    TargetChosen,
)

MAIN = "/project/main.py"

TARGET = TargetChosen("emulator", "http://127.0.0.1:4000", "no RUNPOD_API_KEY", "set it")
SERVING = Serving(
    "http://localhost:8888",
    "main:app",
    1,
    (
        EndpointFound(
            "live-gpu",
            "ADA_24",
            (FunctionFound("resize", f"{MAIN}:9", ("numpy",)),),
            configuration=(("workers", "0 to 3"),),
        ),
    ),
)
READY = EndpointReady("live-gpu", "ep0", "created", 0.01)


def started(call: int = 1, **changes: Any) -> JobStarted:
    event = JobStarted(call, "resize", f"{MAIN}:9", "live-gpu", "ep0", "width=3", b"kept")
    return replace(event, **changes)


def ended(call: int = 1, state: str | None = "COMPLETED", **changes: Any) -> JobEnded:
    event = JobEnded(
        call=call,
        function="resize",
        location=f"{MAIN}:9",
        endpoint="live-gpu",
        endpoint_id="ep0",
        job_id=f"job-{call}",
        state=state,
        delay_time=12,
        execution_time=34,
        worker_id="w1",
        cold=True,
        stdout="hello\n",
        error=None,
        output="'done'",
    )
    return replace(event, **changes)


def failed(call: int = 1, **changes: Any) -> JobEnded:
    trace = (
        f'File "{MAIN}", line 11, in resize\n    return 1 / 0\nZeroDivisionError: division by zero'
    )
    event = ended(call, "FAILED", error="division by zero", traceback=trace, output=None)
    return replace(event, **changes)


def recorded(event: Event, generation: int = 1, at: float = 1000.0) -> Recorded:
    return Recorded(generation, at, event)
