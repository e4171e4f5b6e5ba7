"""``python -m pytest_flash``: the command ``flash``, also where another program has that name."""

from __future__ import annotations

import os
import sys

# Python puts the current folder first, where the user's modules may have names of Python's.
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if sys.path[:1] != [_HERE]:
    del sys.path[:1]

from flash_cli.main import main  # noqa: E402 - after the folder is gone

main()
