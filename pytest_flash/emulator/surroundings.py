"""What the endpoints of one emulator have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Options, Timings
    from .faults import Faults
    from .launcher import Launcher
    from .programs import ProgramSource
    from .webhooks import Webhooks


@dataclass(frozen=True)
class Surroundings:
    """What every endpoint of an emulator shares."""

    programs: ProgramSource
    launcher: Launcher
    timings: Timings
    options: Options
    faults: Faults
    webhooks: Webhooks
