"""Functions that travel: project files, a call, and its result; each for every worker.

``f`` is the remote function of ``main.py`` in each project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEAD = """\
from pytest_flash import LiveServerless, remote
import fastapi

gpu = LiveServerless(name="gpu")
app = fastapi.FastAPI()
"""


@dataclass(frozen=True)
class Case:
    """The source of ``main.py`` below ``HEAD``, other files, arguments, and the result."""

    main: str
    result: Any
    args: tuple[Any, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    head: str = HEAD


def remote(body: str, *before: str) -> str:
    """``before``, then a remote function ``f(x)`` with this body, indented here."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return "\n".join([*before, "@remote(gpu)", "def f(x):", lines, ""])
