"""Jobs that did not complete, as exceptions at the caller."""

from __future__ import annotations

import builtins
import functools
import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from ..errors import (
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    RemoteError,
    SettingsError,
)
from ..project import find_project
from ..runpod import Endpoint, JobState, JobStatus
from .protocol import FunctionResponse
from .registry import FunctionSpec

_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINE = re.compile(r"^(?:[\w.]+\.)?(\w+)(?::|$)")
_MISSING_MODULE = re.compile(r"No module named '([^'.]+)")
_INSTALLED = {"site-packages", "dist-packages"}
# Python refuses to let these leave a coroutine, or to build them from a message alone.
_NOT_RAISABLE = (StopIteration, StopAsyncIteration)


def failure(
    spec: FunctionSpec, endpoint: Endpoint, job: JobStatus, response: FunctionResponse | None
) -> RemoteError:
    """The error for a terminal ``job`` without a result.

    A function that raised a built-in exception gives an error that is also of that type, so that
    ``except ValueError`` works as it does locally.
    """
    what = f"{spec.name} ({spec.location}) on endpoint {endpoint.name}"
    stdout = response.stdout if response else ""
    if job.state is JobState.CANCELLED:
        kind: type[RemoteError] = JobCancelledError
        message = f"{what}: job {job.id} was cancelled"
    elif job.state is JobState.TIMED_OUT:
        kind = JobTimedOutError
        message = (
            f"{what}: job {job.id} exceeded its limit ({endpoint.timeout / 1000:g} s of running). "
            "Raise executionTimeoutMs of the resource, or make the function quicker"
        )
    else:
        text = job.error or (response and (response.error or response.result)) or "no error text"
        kind, message = _raised(spec, what, text)
    return kind(
        message,
        job_id=job.id,
        endpoint_id=endpoint.id,
        worker_id=job.worker_id,
        stdout=stdout,
    )


def _raised(spec: FunctionSpec, what: str, text: str) -> tuple[type[RemoteError], str]:
    summary, separator, trace = text.partition(_TRACEBACK)
    if not separator:
        return JobFailedError, f"{what} failed: {text.strip()}"
    trace = trace.strip("\n")
    last = _last_line(trace)
    found = _LAST_LINE.match(last)
    kind = _error_type(found.group(1)) if found else JobFailedError
    hint = _hint(spec, last)
    parts = [f"{what} failed: {last or summary.strip()}"]
    if hint:
        parts.append(hint)
    parts.append(f"Remote traceback (most recent call last):\n{trace}")
    return kind, "\n\n".join(parts)


def _last_line(trace: str) -> str:
    """The ``Type: message`` line: the first that is not indented, after the last chained error."""
    _, _, last = trace.rpartition(f"{_TRACEBACK}\n")
    return next((line for line in last.splitlines() if line and not line[0].isspace()), "")


@functools.cache
def _error_type(name: str) -> type[RemoteError]:
    """A RemoteError that is also the built-in exception ``name``, where that can be built."""
    kind = getattr(builtins, name, None)
    if (
        not isinstance(kind, type)
        or not issubclass(kind, Exception)
        or issubclass(kind, _NOT_RAISABLE)
    ):
        return JobFailedError
    for base in kind.__mro__:
        if base is Exception:
            break
        try:
            combined = type(
                name,
                (JobFailedError, base),
                {"__module__": JobFailedError.__module__, "__reduce__": _reduced},
            )
            combined("probe")
        except TypeError:
            continue
        return combined
    return JobFailedError


def _rebuilt(name: str, message: str) -> RemoteError:
    return _error_type(name)(message)


def _reduced(error: RemoteError) -> tuple[Any, ...]:
    """``__reduce__`` of the built types, which no import finds."""
    return _rebuilt, (type(error).__name__, str(error)), vars(error).copy()


def _hint(spec: FunctionSpec, last: str) -> str | None:
    found = _MISSING_MODULE.search(last) if last.startswith("ModuleNotFoundError") else None
    if found is None:
        return None
    module = found.group(1)
    distributions = _distributions(module)
    if not distributions and _is_local(module, Path(spec.file)):
        return (
            f"{module} is a module of your project, and only {spec.file} travels to the worker: "
            f"define what {spec.name} needs in that file"
        )
    requirement = distributions[0] if distributions else module
    return (
        f"The worker has only what is declared: add dependencies=[{requirement!r}] to @remote of "
        f"{spec.name} ({spec.location})"
    )


def _distributions(module: str) -> list[str]:
    """The installed distributions that bring ``module``, in order of their names."""
    named = importlib.metadata.packages_distributions().get(module)
    if named:
        return sorted(named)
    # Python 3.10 looks into top_level.txt alone, which many distributions do not have.
    return sorted(
        each.metadata["Name"]
        for each in importlib.metadata.distributions()
        if any(path.parts[0].partition(".")[0] == module for path in each.files or ())
    )


def _is_local(module: str, file: Path) -> bool:
    """Whether ``module`` belongs to the project that ``file`` is in."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    places = [*(found.submodule_search_locations or ()), found.origin] if found else []
    root = _project_root(file)
    return any(
        place is not None
        and Path(os.path.realpath(place)).is_relative_to(root)
        and not _INSTALLED & set(Path(place).parts)
        for place in places
    )


def _project_root(file: Path) -> Path:
    try:
        return find_project(file).root
    except SettingsError:
        return file.resolve().parent  # Its pyproject.toml is told of elsewhere.
