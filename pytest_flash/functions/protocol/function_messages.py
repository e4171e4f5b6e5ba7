"""The Flash function protocol: a call as a queue job's input, and its output as a result.

The models are those of the official SDK (``FunctionRequest``, ``FunctionResponse``, versions 1.1
to 1.21), so that the official worker images run our functions as they are.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...security import plain_pickle
from ..declaration.specs import FunctionSpec
from ..onworker import error_description
from ..onworker.entry_point import ANSWER
from ..onworker.signing import SECRET_SIZE, Signer
from ..onworker.transcript import LEFT_OUT
from ..shipping.payload import Payload
from ..shipping.prepared import Prepared
from .unpickling import unpack

_ALOUD = base64.b64encode(pickle.dumps(True, protocol=5))


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


@dataclass(frozen=True)
class Secret:
    """The secret of one call: ``sent`` with its arguments, and what ``signer`` knows again."""

    sent: bytes = field(repr=False)
    signer: Signer

    @classmethod
    def new(cls) -> Secret:
        """Another one than any before."""
        secret = os.urandom(SECRET_SIZE)
        # A bytearray, which the worker can wipe.
        return cls(_encode(bytearray(secret)), Signer(secret))


def request_arguments(payload: Payload, secret: Secret, aloud: bool = False) -> tuple[bytes, ...]:
    """The rest of a FunctionRequest: its arguments, each as base64 of its cloudpickle.

    In pieces, which are large: they are put together once. ``aloud`` has the worker say in its
    log what the function prints.
    """
    # Base64 holds nothing that JSON escapes, and looking for it takes longer than making it.
    header, data = _encode(payload.header), _encode(payload.data)
    last = (b'", "', _ALOUD) if aloud else ()
    between = b'", "'
    arguments = (header, between, data, between, secret.sent, *last)
    return b', "args": ["', *arguments, b'"], "kwargs": {}}'


def job_request(prefix: bytes, arguments: tuple[bytes, ...]) -> bytes:
    """The body for a queue, where a FunctionRequest is the job's input."""
    return b"".join((b'{"input": ', prefix, *arguments, b"}"))


def bare_request(prefix: bytes, arguments: tuple[bytes, ...]) -> bytes:
    """The body for a load balancer: the FunctionRequest itself."""
    return b"".join((prefix, *arguments))


@dataclass(frozen=True)
class CapturedOutput:
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

    ``stdout`` is what it captured of the function's output, and what our code there put among it.
    """

    success: bool
    result: str | None = None
    error: str | None = None
    stdout: str = ""


class UnsignedResultError(ValueError):
    """A result that was not made by the code that the call sent; the message says how it shows."""


def read_response(output: Any) -> FunctionResponse | None:
    """Read a job's ``output``; None for anything that is no response.

    The queue takes ``error`` out of a failed response, so it may be absent here; a function that
    the worker does not find arrives as ``success`` false with the message in ``result``. A worker
    that died says nothing, and an image that is not a Flash worker says something else.
    """
    if not isinstance(output, dict) or not isinstance(output.get("success"), bool):
        return None
    return FunctionResponse(
        success=output["success"],
        result=_text(output.get("result")),
        error=_text(output.get("error")),
        stdout=_text(output.get("stdout")) or "",
    )


def read_description(
    response: FunctionResponse, signer: Signer
) -> tuple[dict[str, Any] | None, CapturedOutput]:
    """What our code on the worker tells of an exception, if it got that far, and what was printed.

    Each line once where our code could tell.
    """
    described = error_description.find(response.stdout, signer)
    if described is None:
        return None, CapturedOutput(response.stdout)
    return described, CapturedOutput(*described["output"])


def read_result(
    response: FunctionResponse, signer: Signer
) -> tuple[Callable[[], Any], CapturedOutput]:
    """How to read what the function returned, and what it printed and logged.

    The value may be of any class, so its pickle is opened only if the call's own code made it.
    Raises UnsignedResultError; reading the value raises whatever unpickling raises.
    """
    try:
        answer = plain_pickle.loads(base64.b64decode(response.result or ""), with_bytes=True)
    except ValueError as error:
        raise UnsignedResultError(f"it {error}") from error
    if not isinstance(answer, tuple) or len(answer) != 4 or answer[0] != ANSWER:
        raise UnsignedResultError("it is a value of another form")
    _, signature, output, data = answer
    if not isinstance(signature, str) or not signer.verifies(ANSWER, b"", signature):
        raise UnsignedResultError("its signature is not the call's")
    return lambda: unpack(data), CapturedOutput(*output)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _encode(data: bytes | bytearray) -> bytes:
    return base64.b64encode(pickle.dumps(data, protocol=5))
