"""``python -m flash_cli``: the same as ``flash``."""

from __future__ import annotations

from .main import main

main()
