"""What every server of FastAPI apps imports; to be imported before anything else of ours.

The app finds it imported. All else that is there when the app is imported came for our own sake,
or was imported ahead, and must not stand in the way of the app's own modules.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Collection
from pathlib import Path

from ...shadowed_modules import PACKAGES

FRAMEWORK = (
    "fastapi",
    "uvicorn.lifespan.off",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
)


def import_framework() -> frozenset[str]:
    """Import it; the names of all modules that there are then."""
    for name in FRAMEWORK:
        with contextlib.suppress(ImportError):  # uvloop is not for every Python.
            importlib.import_module(name)
    return frozenset(sys.modules)


def make_room(root: Path, plain: Collection[str]) -> None:
    """Let the app find its own modules below ``root``, also where others of their names were
    imported; not those that are ``plain``, and none that are ours: others may import more of
    them."""
    names = {each.name.removesuffix(".py") for each in root.iterdir()} & sys.modules.keys()
    tops = {name for name in names - PACKAGES - set(plain) if _is_module(root, name)}
    for name in [each for each in sys.modules if each.partition(".")[0] in tops]:
        del sys.modules[name]


def _is_module(root: Path, name: str) -> bool:
    return any((root / each).is_file() for each in (f"{name}.py", f"{name}/__init__.py"))
