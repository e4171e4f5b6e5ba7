"""What the endpoints of one emulator have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..faults.fault_types import Faults
    from ..processes.image_programs import ProgramSource
    from ..processes.launcher import Launcher
    from ..queue.webhooks import Webhooks
    from ..startup.config import EmulatorTimings, Options


@dataclass(frozen=True)
class SchedulerContext:
    """What every endpoint of an emulator shares."""

    programs: ProgramSource
    launcher: Launcher
    timings: EmulatorTimings
    options: Options
    faults: Faults
    webhooks: Webhooks
