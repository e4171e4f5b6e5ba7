"""``flash`` with ``Timings`` of its own, as JSON before its arguments."""

from __future__ import annotations

import json
import sys

from flash_cli.main import main
from pytest_flash.runner.app.options import RunTimings

if __name__ == "__main__":
    main(sys.argv[2:], RunTimings(**json.loads(sys.argv[1])))
