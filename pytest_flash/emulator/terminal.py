"""The emulator as a program: what it prints, and where."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from ..process.nonblocking_output import unblock_standard_streams
from .main import run

if TYPE_CHECKING:
    from .startup.announcement import Announcement
    from .startup.config import EmulatorConfig


def serve(
    config: EmulatorConfig,
    *,
    as_json: bool = False,
    quiet: bool = False,
    lifeline: int | None = None,
    listener: int | None = None,
) -> None:
    """Run an emulator for people and for programs: the announcement to stdout, the rest to stderr.

    The announcement is one JSON object on the first line with ``as_json``, else lines for a
    shell. ``quiet`` keeps what workers print and do off stderr. Returns when the emulator was
    stopped; see ``main.run`` for how, and for its errors.
    """
    unblock_standard_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("pytest_flash.emulator")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)

    def announce(announcement: Announcement) -> None:
        text = announcement.to_json() if as_json else announcement.to_shell()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    run(config, announce, lifeline=lifeline, listener=listener)
