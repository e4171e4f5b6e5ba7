"""An emulator whose workers run ``worker_program.py``, or ``http_program.py`` for ``test/http``.

Arguments: the fields of ``Timings`` and ``Options`` as JSON, and a lifeline's descriptor or
nothing. Images other than ``test/worker`` are left to the real sources of programs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from pytest_flash.emulator.account.endpoint_records import EndpointRecord
from pytest_flash.emulator.main import run
from pytest_flash.emulator.processes.image_programs import (
    Program,
    ProjectPrograms,
    Supply,
    SupplyError,
)
from pytest_flash.emulator.startup.config import EmulatorConfig, EmulatorTimings, Options
from pytest_flash.emulator.worker import guarded_command

WORKER = Path(__file__).parent / "worker_program.py"
SERVER = Path(__file__).parent / "http_program.py"
GUARDED = Path(guarded_command.__file__)


class Programs(ProjectPrograms):
    def program(self, record: EndpointRecord) -> Program:
        if record.container.image == "test/worker":
            return Program((sys.executable, "-I", "-S", "-B", str(WORKER)), True)
        if record.container.image == "test/http":
            python = (sys.executable, "-I", "-S", "-B")
            return Program((*python, str(GUARDED), *python, str(SERVER)))
        if record.container.image == "test/missing":
            return Program(("/nonexistent/program",))
        return super().program(record)

    def supply(self, record: EndpointRecord, dependencies: Sequence[str]) -> Supply:  # noqa: ARG002
        if "broken" in dependencies:
            raise SupplyError("no such package: broken")
        if "endless" in dependencies:
            time.sleep(600)
        return Supply(("/some/folder",), f"installed {', '.join(dependencies)}")


given = json.loads(sys.argv[1])
chosen = {one.name: given.pop(one.name) for one in fields(Options) if one.name in given}
lifeline = int(sys.argv[2]) if len(sys.argv) > 2 else None
config = EmulatorConfig(
    project=Path.cwd(),
    api_key=os.environ["TEST_KEY"],
    options=Options(**chosen),
    timings=EmulatorTimings(**given),
)
run(
    config,
    lambda announcement: print(announcement.to_json(), flush=True),
    lifeline=lifeline,
    programs=Programs(config),
)
