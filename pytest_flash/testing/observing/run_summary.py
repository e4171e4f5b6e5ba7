"""What a run provisioned and ran, for the end of its output."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...clock import monotonic
from ...errors import FlashError
from ...events import Event
from ...progress import EndpointProgress, Job, endpoints_after

if TYPE_CHECKING:
    from ...provisioner.provisioner import Source
    from ...session import Session


@dataclass
class Totals:
    """Counts endpoints and jobs; thread-safe. Times are milliseconds."""

    endpoints: Mapping[str, EndpointProgress] = field(default_factory=dict)
    undeleted: dict[str, FlashError] = field(default_factory=dict)
    live: bool = False
    run: int = 0
    failed: int = 0
    cold: int = 0
    slowest: Job | None = None
    computed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    prices: dict[str, tuple[str, tuple[float, float] | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, event: Event) -> None:
        """An event of provisioning."""
        with self._lock:
            self.endpoints = endpoints_after(self.endpoints, event, monotonic())

    def add(self, job: Job) -> None:
        """A job that ended, in any process of the run."""
        with self._lock:
            self.run += 1
            self.failed += job.failed
            self.cold += job.cold
            self.computed[job.endpoint] += job.execution_time or 0
            if _time(job) > (_time(self.slowest) if self.slowest else 0):
                self.slowest = job

    def price(self, session: Session, resources: Iterable[Source]) -> None:
        """Look up what the hardware of ``resources`` costs, where it costs anything."""
        self.live = session.target.is_live
        if not self.live or not any(self.computed.values()):
            return
        from ...provisioner.hardware_texts import describe
        from ...provisioner.prices import Prices

        prices = Prices.of(session.management)
        for wanted, _ in session.provisioner.plan(resources).steps:
            hardware = describe(wanted.resource)
            self.prices[wanted.endpoint_name] = (hardware, prices.range(wanted))

    def lines(self, *, all_passed: bool) -> Iterator[str]:
        """The summary; nothing when nothing was provisioned.

        A job that ends in an error is no failure by itself: tests may expect it. ``all_passed``
        says that every test has passed at once.
        """
        for name, each in sorted(self.endpoints.items()):
            if each.ready is not None:
                fate = "" if not self.live else ", deleted" if each.removed else ", kept"
                yield f"{name}: {each.ready.action} in {each.ready.seconds:.1f} s{fate}"
        if self.run:
            slow = self.slowest
            slowest = f"; slowest: {slow.function}, {_time(slow) / 1000:.1f} s" if slow else ""
            counts = [_count(self.run, "job"), _count(self.cold, "cold start")]
            if self.failed:
                where = " in tests that passed" if all_passed else ""
                counts.insert(1, f"{self.failed} ended in an error{where}")
            yield f"{', '.join(counts)}{slowest}"
        if self.live:
            yield from self._costs()

    def _costs(self) -> Iterator[str]:
        total_low = total_high = 0.0
        complete = True
        for name, milliseconds in sorted(self.computed.items()):
            hardware, hourly = self.prices.get(name, ("unknown hardware", None))
            cost = "price unknown"
            if hourly is None:
                complete = False
            else:
                low, high = (each * milliseconds / 3_600_000 for each in hourly)
                total_low, total_high = total_low + low, total_high + high
                cost = _dollars(low, high)
            yield f"{milliseconds / 1000:.1f} s of compute on {hardware} ({name}), {cost}"
        if len(self.computed) > 1 and complete:
            yield f"{_dollars(total_low, total_high)} in all, without starts and idle workers"


def _time(job: Job) -> int:
    """From submission to end, as far as the job tells."""
    return (job.delay_time or 0) + (job.execution_time or 0)


def _dollars(low: float, high: float) -> str:
    """Such as ``about $0.0012``, ``about $0.0010 to $0.0020`` or ``less than $0.0001``."""
    if high < 0.0001:
        return "less than $0.0001"
    return "about " + (
        f"${low:.4f}" if f"{low:.4f}" == f"{high:.4f}" else f"${low:.4f} to ${high:.4f}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
