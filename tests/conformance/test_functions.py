"""Our worker runtime answers as the Flash images do.

Both sides get the same requests through the same platform, and the bodies of ``/status`` are
compared: fields, states and texts. What is ours alone is left out as ``comparable`` says.
"""

from __future__ import annotations

import base64
import pickle
import re
from typing import Any

import pytest

from tests.conformance.function_calls import CALLS, Call
from tests.emulator.harness import Emulator

Answers = dict[str, dict[str, Any]]

# Frames of the worker itself; ours shows them only where there are no others.
_FRAMES = re.compile(
    r'  File "[^"]*(?:reference_worker|emulator/worker/execution)\.py", line \d+, in .*\n'
    r"(?:    .*\n)*"
)
_TIMES = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", re.MULTILINE)
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
_MADE_ID = re.compile(r"Counter_[0-9a-f]{8}")


@pytest.fixture(scope="module")
def answers(platform: Emulator) -> tuple[Answers, Answers]:
    """What the Flash image and the reference say to every call."""
    cpu = {"cpu": [{"id": "cpu3c", "vcpuCount": 2}], "workers": {"max": 1}}
    quiet = {"RUNPOD_LOG_LEVEL": "ERROR"}  # the official worker logs amid what functions print
    ours = platform.create(image="runpod/flash-cpu:latest", **cpu)
    reference = platform.create(image="official/functions", env=quiet, **cpu)
    jobs = {
        endpoint: {call.name: _submitted(platform, endpoint, call) for call in CALLS}
        for endpoint in (reference, ours)
    }
    first, second = (
        {name: platform.ended(endpoint, job) for name, job in jobs[endpoint].items()}
        for endpoint in (ours, reference)
    )
    for endpoint in (ours, reference):
        platform.management.delete(f"/v2/serverless/{endpoint}")
    return first, second


def _submitted(platform: Emulator, endpoint: str, call: Call) -> str:
    answer = platform.queue.post(f"/{endpoint}/run", json={"input": call.request})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_every_call_has_a_name_of_its_own() -> None:
    assert len({call.name for call in CALLS}) == len(CALLS) >= 40


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_answers_are_the_same(answers: tuple[Answers, Answers], call: Call) -> None:
    ours, reference = (side[call.name] for side in answers)
    assert set(ours) == set(reference)
    assert comparable(ours, call) == comparable(reference, call)


def comparable(document: dict[str, Any], call: Call) -> dict[str, Any]:
    """A body of ``/status`` without times, ids and frames of the worker."""
    output = dict(document["output"])
    if output["success"]:
        output["result"] = _value(output["result"])
    if output["stdout"]:
        output["stdout"] = _TIMES.sub("TIME", output["stdout"])
    if output["instance_id"] and _MADE_ID.fullmatch(output["instance_id"]):
        output["instance_id"] = "Counter_ID"
    info = output["instance_info"] or {}
    for name in ("created_at", "last_used"):
        if name in info:
            assert _CREATED.fullmatch(info[name])
            info[name] = "TIME"
    error = document.get("error")
    if error is not None:
        error = error.partition(":")[0] if "error" in call.differs else _FRAMES.sub("", error)
    return {"status": document["status"], "output": output, "error": error}


def _value(result: str) -> Any:
    """A value that can be compared: itself, or its pickle where it has no equality."""
    value = pickle.loads(base64.b64decode(result))
    return (type(value).__name__, str(value)) if isinstance(value, Exception) else value
