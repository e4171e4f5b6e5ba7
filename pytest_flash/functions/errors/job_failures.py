"""Jobs that did not complete, as exceptions at the caller."""

from __future__ import annotations

import builtins
import functools
import json
import re
from pathlib import PurePath
from typing import Any, TypeVar

from ...errors import (
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    NoCapacityError,
    RemoteError,
    WorkerDiedError,
)
from ...runpod import Endpoint, JobState, JobStatus
from ..declaration.specs import FunctionSpec
from ..protocol.function_messages import FunctionResponse
from ..shipping.declared_packages import distributions, other_version
from ..shipping.project_modules import ProjectModules
from ..shipping.synthetic_frames import RemoteFrame, at, entered, traceback_of
from ..shipping.unsendable_values import clause
from .remote_exceptions import Described, construct, put, rebuild

E = TypeVar("E", bound=Exception)

_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINE = re.compile(r"^(?:[\w.]+\.)?(\w+)(?::|$)")
# How the emulator's texts of jobs begin that no worker's death has ended, or what they say.
_NOT_STARTED = "no worker starts"
_REFUSED = "the worker's result was refused"
_NO_RESULT = "asked for another job without a result"
_NESTED_LOOP = "cannot be called from a running event loop"
# Runpod docs: where network volumes are mounted.
_VOLUME = "/runpod-volume"
# What fails where there is no GPU: the types of the errors, and a part of their texts. The latter
# five are those of torch 2.
_NO_GPU = (
    (("FileNotFoundError",), "'nvidia-smi'"),
    (("AssertionError",), "Torch not compiled with CUDA enabled"),
    (("RuntimeError",), "Found no NVIDIA driver on your system"),
    (("RuntimeError", "AcceleratorError"), "No CUDA GPUs are available"),
    (("RuntimeError", "AcceleratorError"), "no CUDA-capable device is detected"),
    (("RuntimeError",), "torch.cuda.is_available() is False"),
)
_DEBUGGERS = ("bdb.py", "pdb.py", "cmd.py")
# What pickle says of the class or function itself that a remote one's name stands for.
_ANOTHER = "it's not the same object as"
_ANOTHER_HINT = (
    "On the worker, too, the name of a remote function or class is that of what is awaited. "
    "Give other processes plain functions and classes, or instances of remote classes and their "
    "methods"
)
_MISSING_MODULE = re.compile(r"No module named '([^'.]+)")


def failure(
    spec: FunctionSpec,
    endpoint: Endpoint,
    job: JobStatus,
    response: FunctionResponse | None,
    described: Described | None = None,
    stdout: str = "",
) -> Exception:
    """The error for a terminal ``job`` without a result.

    ``described`` is what our code on the worker tells of it, None where it had no say; ``stdout``
    what the function printed.

    A function that raised a built-in exception gives an error that is also of that type, so that
    ``except ValueError`` works as it does locally; one that raised an exception of the project's
    own gives that. Every one has the attributes of RemoteError.
    """
    what = f"{spec.name} ({spec.location}) on endpoint {endpoint.name}"
    if job.state is JobState.CANCELLED:
        error: Exception = JobCancelledError(
            f"{what}: job {job.id} was cancelled: by its handle, in Runpod's console, or by "
            "another process; call again to run it"
        )
    elif job.state is JobState.TIMED_OUT:
        error = _timed_out(what, endpoint, job)
    elif described is not None and _is_ended_debugger(described):
        error = _no_debugger(spec, what, described, job)
    elif described is not None:
        rebuilt = rebuild(described, functools.partial(_explained, spec))
        error = rebuilt.error
        if error.__traceback__ is None:
            error = at(error, spec.file, spec.line, spec.name)
        named = f"job {job.id}" if job.id else "call"
        where = f"<{named} on {endpoint.name}, worker {job.worker_id}>"
        error.with_traceback(entered(where, spec.name, job.frames or error.__traceback__))
        return located(error, endpoint, job, stdout, rebuilt.traceback)
    else:
        text = job.error or (response and (response.error or response.result)) or "no error text"
        error = _from_text(spec, what, text, response)
    _, mark, trace = str(error).partition("Remote traceback")
    return located(error, endpoint, job, stdout, mark + trace or None)


def _is_ended_debugger(described: Described) -> bool:
    """Whether a ``breakpoint()`` ended the function: nobody types at a worker's debugger."""
    return tuple(described["errors"][0]["kinds"][0]) == ("bdb", "BdbQuit")


def _no_debugger(
    spec: FunctionSpec, what: str, described: Described, job: JobStatus
) -> JobFailedError:
    if job.frames is not None:
        return at(JobFailedError(f"{what}: its debugger was quit"), spec.file, spec.line, spec.name)
    known = [RemoteFrame(*each) for each in described["errors"][0]["frames"]]
    # A file of the standard library is nowhere the user has set a breakpoint.
    frames = [each for each in known if PurePath(each.file).name not in _DEBUGGERS]
    place = f"{frames[-1].file}:{frames[-1].line}" if frames else spec.location
    error = JobFailedError(
        f"{what} stopped at a breakpoint ({place}), and a worker has no terminal for a debugger: "
        "run remote functions in this process, with flash run --in-process or "
        "pytest --flash-in-process"
    )
    return error.with_traceback(traceback_of(frames))


def located(
    error: E, endpoint: Endpoint, job: JobStatus, stdout: str, traceback: str | None = None
) -> E:
    """``error`` with the attributes of a RemoteError, whatever its class."""
    known = {
        "job_id": job.id or None,
        "endpoint_id": endpoint.id,
        "worker_id": job.worker_id,
        "stdout": stdout,
        "remote_traceback": traceback,
    }
    for name, value in known.items():
        if isinstance(error, RemoteError) or not hasattr(error, name):
            put(error, name, value)
    return error


def _timed_out(what: str, endpoint: Endpoint, job: JobStatus) -> RemoteError:
    if job.worker_id is None and not job.execution_time:
        return NoCapacityError(
            f"{what}: no worker took job {job.id} in time. Raise workersMax of the resource, allow "
            "more kinds of GPU or more data centers, or try again later"
        )
    return JobTimedOutError(
        f"{what}: job {job.id} exceeded its limit ({endpoint.timeout / 1000:g} s of running). "
        "Raise executionTimeoutMs of the resource, or make the function quicker"
    )


def _from_text(
    spec: FunctionSpec, what: str, text: str, response: FunctionResponse | None
) -> RemoteError:
    """The error behind the text that a worker gives where our code on it had no say."""
    if response is None:
        return _from_platform(what, text)
    summary, separator, trace = text.partition(_TRACEBACK)
    if not separator:
        return JobFailedError(f"{what} failed: {text.strip()}")
    trace = trace.strip("\n")
    last = _last_line(trace)
    found = _LAST_LINE.match(last)
    name = found.group(1) if found else ""
    parts = [f"{what} failed: {_explained(spec, name, last) or summary.strip()}"]
    parts.append(f"Remote traceback (most recent call last):\n{trace}")
    return _of_type(name, "\n\n".join(parts))


def _from_platform(what: str, text: str) -> RemoteError:
    """The error of a job that no worker answered.

    The text may quote the worker's last output, which anybody may have written: a traceback in it
    makes no other error.
    """
    if text.startswith(_NOT_STARTED):
        return JobFailedError(f"{what} failed before a worker took it: {text.strip()}")
    if _is_document(text):
        return JobFailedError(f"{what} failed: {text.strip()}")
    if text.startswith(_REFUSED):
        return JobFailedError(
            f"{what} failed: {clause(text)}. Its worker lives: what the function returned, and "
            "what it printed, are together more than can be sent"
        )
    if _NO_RESULT in text.partition("\n")[0]:
        return JobFailedError(f"{what} failed: {text.strip()}")
    return WorkerDiedError(
        f"{what} failed: {clause(text)}. The process of its worker ended while it ran: it was "
        "killed (often for its memory), crashed, or the function ended it"
    )


def _is_document(text: str) -> bool:
    """Whether the worker SDK wrote ``text``: JSON about an exception outside of the function."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _last_line(trace: str) -> str:
    """The ``Type: message`` line: the first that is not indented, after the last chained error."""
    _, _, last = trace.rpartition(f"{_TRACEBACK}\n")
    return next((line for line in last.splitlines() if line and not line[0].isspace()), "")


def _of_type(name: str, message: str) -> RemoteError:
    """A RemoteError that is also the built-in exception ``name``, where a text makes one."""
    kind: Any = getattr(builtins, name, None)
    known = isinstance(kind, type) and issubclass(kind, Exception)
    bases: tuple[Any, ...] = kind.__mro__ if known else ()
    for base in bases:
        if base is Exception or issubclass(base, StopIteration | StopAsyncIteration):
            break
        try:
            base(message)
        except TypeError:
            continue
        error: RemoteError = construct(name, base, True, message)
        return error
    return JobFailedError(message)


def _explained(spec: FunctionSpec, name: str, message: str) -> str:
    """``message``, with the way out where a module is missing on the worker, or the volume."""
    if name == "RuntimeError" and _NESTED_LOOP in message:
        return f"{message}\n\n{_nested_loop(spec)}"
    if name == "PicklingError" and _ANOTHER in message:
        return f"{message}\n\n{_ANOTHER_HINT}"
    if name == "FileNotFoundError" and _VOLUME in message:
        return f"{message}\n\n{_way_to_volume(spec)}"
    if any(name in kinds and text in message for kinds, text in _NO_GPU):
        return f"{message}\n\n{_way_to_gpu(spec)}"
    found = _MISSING_MODULE.search(message) if name == "ModuleNotFoundError" else None
    if found is None:
        return message
    return f"{message}\n\n{_way_out(spec, found.group(1))}"


def _nested_loop(spec: FunctionSpec) -> str:
    return (
        f"A synchronous function runs on its worker's event loop, here as on Runpod: define "
        f"{spec.name} ({spec.location}) with async def, and await there"
    )


def _way_to_volume(spec: FunctionSpec) -> str:
    resource = spec.resource
    if resource.networkVolume is None and resource.networkVolumeId is None:
        return (
            f"{resource.name!r} has no network volume: give it one, such as "
            "networkVolume=NetworkVolume(name=…)"
        )
    return (
        f"Where a worker of the embedded Runpod cannot mount the volume at {_VOLUME}, which takes "
        f"root on Linux, RUNPOD_VOLUME_PATH names its folder: os.environ.get('RUNPOD_VOLUME_PATH', "
        f"'{_VOLUME}') works everywhere"
    )


def _way_to_gpu(spec: FunctionSpec) -> str:
    return (
        f"{spec.name} ({spec.location}) needs a GPU, and where it ran there is none: run it on "
        "Runpod, on a resource with GPUs (flash run --live, pytest --flash-live), or replace it in "
        "tests with flash_endpoints.stub"
    )


def _way_out(spec: FunctionSpec, module: str) -> str:
    named = distributions(module)
    if not named and ProjectModules().find(module) is not None:
        return (
            f"{module} is a module of your project that no import statement of what "
            f"{spec.name} needs names; import it by name in {spec.file}"
        )
    if other := other_version(spec.dependencies, named):
        return (
            f"{spec.name} declares {other[0]!r}, and {other[1]} is installed here: what was "
            f"pickled needs a module of {module} that the declared version has not got. Install "
            "the declared version here, or declare the one that is installed"
        )
    requirement = named[0] if named else module
    return (
        f"The worker has only what is declared: add dependencies=[{requirement!r}] to "
        f"{spec.declared_by} of {spec.name} ({spec.location})"
    )
