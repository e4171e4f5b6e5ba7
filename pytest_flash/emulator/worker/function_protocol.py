"""Flash's function protocol: what a job asks for and what it answers (runpod-flash 1.19 fields)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from .http.http_text import encode_json
from .output.shortened_text import shortened

# What Runpod takes of a result, with room for what stands around it (Runpod docs, send-requests;
# load-balancing/overview). The emulator refuses more.
_QUEUE_LIMIT: Final = 19_500_000
_BALANCED_LIMIT: Final = 29_500_000
_SHORT: Final = 100_000


class RequestError(ValueError):
    """The job's input is no FunctionRequest."""


@dataclass(frozen=True)
class FunctionRequest:
    """The ``input`` of a job. Each value of ``args``, ``kwargs``, ``constructor_args`` and
    ``constructor_kwargs`` is base64 text of a cloudpickle.

    The image's worker ignores ``modules`` and any field it does not know; so does this one.
    """

    function_name: str | None = None
    function_code: str | None = None
    args: list[str] = field(default_factory=list)
    kwargs: dict[str, str] = field(default_factory=dict)
    dependencies: list[str] | None = None
    system_dependencies: list[str] | None = None
    execution_type: str = "function"
    class_name: str | None = None
    class_code: str | None = None
    constructor_args: list[str] = field(default_factory=list)
    constructor_kwargs: dict[str, str] = field(default_factory=dict)
    method_name: str = "__call__"
    instance_id: str | None = None
    create_new_instance: bool = True
    accelerate_downloads: bool = True
    serialization_format: str = "cloudpickle"

    @classmethod
    def from_input(cls, value: object) -> FunctionRequest:
        """Check a job's input.

        Raises RequestError for what is no object, or has a field of a wrong type or misses a
        required one; the message has a line for each problem.
        """
        if not isinstance(value, dict):
            raise RequestError(f"the input is not a FunctionRequest: {type(value).__name__}")
        known = {name: value[name] for name in _CHECKS if name in value}
        problems = [
            f"{name}: expected {_CHECKS[name][1]}"
            for name, given in known.items()
            if not _CHECKS[name][0](given)
        ]
        if problems:
            raise RequestError("the input is not a FunctionRequest\n" + "\n".join(problems))
        request = cls(**known)
        if problem := _missing(request):
            raise RequestError(f"the input is not a FunctionRequest\n{problem}")
        return request


def _missing(request: FunctionRequest) -> str | None:
    if request.serialization_format != "cloudpickle":
        return "serialization_format: this worker image knows 'cloudpickle' only"
    if request.execution_type == "class":
        required = ("class_name", "class_code")
    else:
        required = ("function_name", "function_code")
    for name in required:
        if not getattr(request, name):
            return f"{name}: required when execution_type is {request.execution_type!r}"
    return None


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _values(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _named_values(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _names_or_none(value: object) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(name, str) for name in value)
    )


_Check = tuple[Callable[[object], bool], str]
_CHECK_OF_ANNOTATION: dict[str, _Check] = {
    "str": (_text, "a string"),
    "str | None": (_text_or_none, "a string or null"),
    "bool": (_flag, "true or false"),
    "list[str]": (_values, "a list of strings"),
    "dict[str, str]": (_named_values, "an object of strings"),
    "list[str] | None": (_names_or_none, "a list of strings or null"),
}
_CHECKS: dict[str, _Check] = {
    one.name: _CHECK_OF_ANNOTATION[str(one.type)] for one in fields(FunctionRequest)
} | {"execution_type": (lambda value: value in ("function", "class"), "'function' or 'class'")}


@dataclass(frozen=True)
class FunctionResponse:
    """How a call ended. ``result`` is base64 of a cloudpickle, also for None, or else a message."""

    success: bool
    result: bytes | str | None = None
    error: str | None = None
    stdout: str | None = None
    instance_id: str | None = None
    instance_info: dict[str, object] | None = None

    def to_json(self) -> bytes:
        """All of it, as ``/execute`` answers."""
        return self._fitting(FunctionResponse._whole, _BALANCED_LIMIT)

    def to_job_done(self) -> bytes:
        """The body of job-done.

        The worker SDK lifts a non-empty ``error`` out of the handler's dict, which makes the job
        FAILED, and drops an empty one (runpod worker SDK 1.12.0).
        """
        return self._fitting(FunctionResponse._done, _QUEUE_LIMIT)

    def _fitting(self, write: Callable[[FunctionResponse], bytes], limit: int) -> bytes:
        """What ``write`` makes of it, or of what is left of it when that is too much to be sent."""
        body = write(self)
        if len(body) <= limit:
            return body
        # Behind an error the output may hold more of it than its text.
        if self.error:
            body = write(replace(self, error=shortened(self.error, _SHORT)))
        else:
            body = write(replace(self, stdout=shortened(self.stdout or "", _SHORT)))
        if len(body) <= limit:
            return body
        error = self.error or (
            f"The result is {len(self.result or b'') / 1e6:.1f} MB as sent, and Runpod takes no "
            f"more than {limit / 1e6:.1f} MB with all around it; store it, and return where it is"
        )
        return write(FunctionResponse(False, error=shortened(error, _SHORT), stdout=""))

    def _whole(self) -> bytes:
        return self._json({one.name: getattr(self, one.name) for one in fields(self)})

    def _done(self) -> bytes:
        output = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "error"}
        error = b', "error": ' + encode_json(self.error).encode() if self.error else b""
        return b'{"output": %b%b}' % (self._json(output), error)

    def _json(self, members: dict[str, Any]) -> bytes:
        if not isinstance(self.result, bytes):
            return encode_json(members).encode()
        # Base64 holds nothing that JSON escapes, and looking for it takes longer than making it.
        del members["result"]
        return b'%b, "result": "%b"}' % (encode_json(members)[:-1].encode(), self.result)
