"""Where a worker's imports come from, in the worker and in the processes it starts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path


class SearchPath:
    """Order of ``sys.path``: the environment's PYTHONPATH, the standard library, what functions
    declared (the latest call first), what the image brings.

    ``-S`` leaves out site-packages, and with it ``.pth`` files: none is processed.
    """

    def __init__(self, image: Sequence[str]) -> None:
        self._image = list(image)
        self._declared: list[str] = []
        self._given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:0] = self._given
        sys.path.extend(self._image)
        self._prepare_children()

    def declare(self, paths: Sequence[str]) -> None:
        """Put folders ahead of everything declared before; folders already there move."""
        if self._declared[: len(paths)] == list(paths):
            return
        older = [path for path in self._declared if path not in paths]
        kept = [path for path in sys.path if path not in paths]
        behind = {*older, *self._image}
        at = next((i for i, path in enumerate(kept) if path in behind), len(kept))
        sys.path[:] = [*kept[:at], *paths, *kept[at:]]
        self._declared = [*paths, *older]
        importlib.invalidate_caches()
        self._export()

    def _prepare_children(self) -> None:
        # The images have one Python, whose packages every child sees: so do `python` and
        # `sys.executable` here. Children must not write bytecode through the links.
        folder = str(Path(sys.executable).parent)
        os.environ["PATH"] = os.pathsep.join(filter(None, (folder, os.environ.get("PATH"))))
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        self._export()

    def _export(self) -> None:
        paths = [*self._given, *self._declared, *self._image]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
