"""How many workers an endpoint wants."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class QueueDelay:
    """Scale on the time that jobs wait; ``seconds`` as in REST v2's ``queueDelay``."""

    seconds: float


@dataclass(frozen=True)
class RequestCount:
    """Scale on jobs in flight; ``value`` of them for each worker."""

    value: int


Scaling = QueueDelay | RequestCount


@dataclass(frozen=True)
class Load:
    """What the scaler looks at: jobs queued and running, and workers that are busy."""

    queued: int
    running: int
    busy: int


def desired_workers(scaling: Scaling, load: Load, *, minimum: int, maximum: int) -> int:
    """The number of workers that ``load`` asks for, within the endpoint's bounds.

    Request count is Runpod's formula (docs, endpoint-configurations). Under queue delay a queued
    job asks for a worker at once: here starting late saves nothing and only makes callers wait.
    """
    if isinstance(scaling, RequestCount):
        wanted = math.ceil((load.queued + load.running) / scaling.value)
    else:
        wanted = load.busy + load.queued
    return max(minimum, min(wanted, maximum))
