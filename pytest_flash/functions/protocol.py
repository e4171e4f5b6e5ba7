"""The Flash function protocol: a call as a queue job's input, and its output as a result.

The models are those of the official SDK (``FunctionRequest``, ``FunctionResponse``, versions 1.1
to 1.21), so that the official worker images run our functions as they are.
"""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cloudpickle

from .gathering import Prepared
from .onworker.run import ANSWER, MARK
from .onworker.transcript import LEFT_OUT
from .packing import unpack
from .shipping import Payload
from .specs import FunctionSpec


def request_prefix(spec: FunctionSpec, source: Prepared) -> bytes:
    """The part of a FunctionRequest that is the same for every call, up to the arguments."""
    request: dict[str, Any] = {
        "function_name": source.name,
        "function_code": source.code,
        "execution_type": "function",
        "accelerate_downloads": spec.accelerate_downloads,
    }
    if spec.dependencies:
        request["dependencies"] = list(spec.dependencies)
    if spec.system_dependencies:
        request["system_dependencies"] = list(spec.system_dependencies)
    return json.dumps(request)[:-1].encode()


def request_arguments(payload: Payload, name: str = "") -> tuple[bytes, ...]:
    """The rest of a FunctionRequest: two arguments, each bytes as base64 of their cloudpickle.

    In pieces, which are large: they are put together once. With the ``name`` of the call, a third
    argument, the worker says aloud what it prints.
    """
    # Base64 holds nothing that JSON escapes, and looking for it takes longer than making it.
    header, data = _encode(payload.header), _encode(payload.data)
    third = (b'", "', _encode(name)) if name else ()
    return b', "args": ["', header, b'", "', data, *third, b'"], "kwargs": {}}'


def job_request(prefix: bytes, arguments: tuple[bytes, ...]) -> bytes:
    """The body for a queue, where a FunctionRequest is the job's input."""
    return b"".join((b'{"input": ', prefix, *arguments, b"}"))


def bare_request(prefix: bytes, arguments: tuple[bytes, ...]) -> bytes:
    """The body for a load balancer: the FunctionRequest itself."""
    return b"".join((prefix, *arguments))


@dataclass(frozen=True)
class Output:
    """What a function printed and logged, or the last of it.

    ``text`` says so at its beginning where ``left_out`` characters came before. ``run`` is the
    name of this run of the job in its worker's log.
    """

    text: str = ""
    run: str = ""
    left_out: int = 0

    @property
    def kept(self) -> str:
        """The text without what it says of that."""
        return self.text.removeprefix(LEFT_OUT) if self.left_out else self.text


@dataclass(frozen=True)
class FunctionResponse:
    """What the worker says of one call. ``error`` is None for a success.

    ``described`` is what our own code on the worker tells of an exception, if it got that far.
    """

    success: bool
    result: str | None = None
    error: str | None = None
    stdout: str = ""
    described: dict[str, Any] | None = None

    @property
    def output(self) -> Output:
        """What the function printed and logged, each line once where our code could tell."""
        return Output(self.stdout) if self.described is None else Output(*self.described["output"])


def read_response(output: Any) -> FunctionResponse | None:
    """Read a job's ``output``; None for anything that is no response.

    The queue takes ``error`` out of a failed response, so it may be absent here; a function that
    the worker does not find arrives as ``success`` false with the message in ``result``. A worker
    that died says nothing, and an image that is not a Flash worker says something else.
    """
    if not isinstance(output, dict) or not isinstance(output.get("success"), bool):
        return None
    stdout, described = _described(_text(output.get("stdout")) or "")
    return FunctionResponse(
        success=output["success"],
        result=_text(output.get("result")),
        error=_text(output.get("error")),
        stdout=stdout,
        described=described,
    )


def read_result(response: FunctionResponse) -> tuple[Callable[[], Any], Output]:
    """How to read what the function returned, and what it printed and logged.

    Code of ours on the worker returns both in one; where something else answered, the result is
    the value itself, and an absent one (an old worker's None) is None. Raises whatever unpickling
    raises, here or when the value is read.
    """
    value = cloudpickle.loads(base64.b64decode(response.result)) if response.result else None
    if isinstance(value, tuple) and len(value) == 3 and value[0] == ANSWER:
        return lambda: unpack(value[2]), Output(*value[1])
    return lambda: value, Output(response.stdout)


def _described(stdout: str) -> tuple[str, dict[str, Any] | None]:
    # The last: the function may print such a line, too.
    before, mark, rest = stdout.rpartition(f"\n{MARK}")
    if not mark:
        return stdout, None
    line, _, after = rest.partition("\n")
    try:
        described = pickle.loads(base64.b64decode(line))
    except (ValueError, EOFError, pickle.UnpicklingError):
        return stdout, None
    return before + after, described


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _encode(data: bytes | str) -> bytes:
    return base64.b64encode(pickle.dumps(data, protocol=5))
