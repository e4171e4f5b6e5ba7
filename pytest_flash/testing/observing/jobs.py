"""The jobs of one test, as tests see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from ...errors import ConfigurationError
from ...functions.classes import RemoteClass
from ...functions.decorator import RemoteFunction
from ...progress import Job


class Jobs(Sequence[Job]):
    """Jobs in the order in which they were made; it grows while they are."""

    def __init__(self, read: Callable[[], Sequence[Job]]) -> None:
        self._read = read

    def of(self, function: RemoteFunction[..., Any] | type[Any]) -> Jobs:
        """The jobs of one function, or of a remote class's methods, also where it was stubbed."""
        __tracebackhide__ = True
        if isinstance(function, RemoteClass):
            owner, prefix = function.spec, f"{function.spec.name}."
            return self._where(
                lambda job: (
                    job.function.startswith(prefix)
                    and job.location.rpartition(":")[0] == owner.file
                )
            )
        if not isinstance(function, RemoteFunction):
            raise ConfigurationError(
                f"only @remote functions and classes have jobs, not {function!r}"
            )
        spec = function.spec
        wanted = (spec.name, spec.location)
        return self._where(lambda job: (job.function, job.location) == wanted)

    @property
    def failed(self) -> Jobs:
        """Those that ended without a result."""
        return self._where(lambda job: job.failed)

    @property
    def unfinished(self) -> Jobs:
        """Those that are under way."""
        return self._where(lambda job: not job.ended)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | Sequence[Job]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[Job]:
        return iter(self._read())

    def __repr__(self) -> str:
        jobs = self._read()
        if not jobs:
            return "<no jobs>"
        return f"<{len(jobs)} job{'s' if len(jobs) > 1 else ''}\n{table(jobs)}\n>"

    def _where(self, wanted: Callable[[Job], bool]) -> Jobs:
        return Jobs(lambda: [job for job in self._read() if wanted(job)])


def table(jobs: Sequence[Job]) -> str:
    """A line for each job, under a line of headings."""
    rows = [("function", "endpoint", "status", "delay", "ran", "worker", ""), *map(_row, jobs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(job: Job) -> tuple[str, ...]:
    remarks = ("cold" if job.cold else "", "stubbed" if job.stubbed else "")
    return (
        job.function,
        job.endpoint,
        job.status or ("no answer" if job.ended else "unfinished"),
        _milliseconds(job.delay_time),
        _milliseconds(job.execution_time),
        job.worker_id or "-",
        ", ".join(filter(None, remarks)),
    )


def _milliseconds(value: int | None) -> str:
    return "-" if value is None else f"{value} ms"
