"""The emulator as it is for the project in this folder, with ``Timings`` of its own.

Arguments: the fields of ``Timings`` as JSON, and a lifeline's descriptor.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from pytest_flash.emulator.main import run
from pytest_flash.emulator.startup.config import EmulatorTimings, load_config

if __name__ == "__main__":
    config = load_config(Path.cwd(), api_key=os.environ["TEST_KEY"])
    run(
        replace(config, timings=EmulatorTimings(**json.loads(sys.argv[1]))),
        lambda announcement: print(announcement.to_json(), flush=True),
        lifeline=int(sys.argv[2]),
    )
