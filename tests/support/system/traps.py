"""Files that are called like modules of Python's and of packages that we need, and tell who
imports them in place of these."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from pytest_flash.shadowed_modules import PACKAGES

_NAMES = (PACKAGES | sys.stdlib_module_names) - set(sys.builtin_module_names)
# Not those of other systems and versions, which are looked for in vain.
NAMES = sorted(name for name in _NAMES if importlib.util.find_spec(name) is not None)

_TRAP = """\
import sys
def importers():
    frame = sys._getframe(1)
    while frame:
        file = frame.f_code.co_filename
        if file != __file__ and "importlib" not in file:
            yield f"{{file}}:{{frame.f_lineno}}"
            if file.startswith({folder!r}):
                return  # The project's own code: it means this module.
        frame = frame.f_back
with open({log!r}, "a") as log:
    print(__name__, *importers(), file=log)
path, module = list(sys.path), sys.modules.pop(__name__)
sys.path[:] = [each for each in path if each not in ("", {folder!r})]
try:
    __import__(__name__)
finally:
    sys.path[:] = path
"""


class Traps:
    """One file for each name in a project's folder. Each stands back for the real module, so that
    whoever imports it goes on."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        for name in NAMES:
            (folder / f"{name}.py").write_text(_TRAP.format(folder=str(folder), log=str(log)))

    def sprung(self) -> list[str]:
        """Who has imported one, from us down to the innermost code."""
        text = self._log.read_text() if self._log.exists() else ""
        return [line for line in text.splitlines() if "/pytest_flash/" in line]
