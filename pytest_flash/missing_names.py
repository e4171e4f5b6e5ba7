"""What to say to ``from pytest_flash import X`` for an X that is not there."""

from __future__ import annotations

TYPE_CHECKING = False  # As type checkers see it; importing typing would cost as much as Python.

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

# Public, and not in the package itself.
_ELSEWHERE = ("errors", "events", "testing")
# The opcode of ``from module import name``, which shows the text of no AttributeError.
_FROM = "IMPORT_FROM"


def missing_name(name: str, known: Sequence[str], asking: FrameType) -> Exception:
    """The error for ``name``, which is none of the ``known`` ones; ``asking`` asks for it."""
    if asking.f_code.co_filename.startswith("<frozen importlib"):
        return AttributeError(name)  # It looks for a module of that name next.
    from opcode import opmap

    text = f"pytest_flash has no {name!r}{_hint(name, known)}"
    if asking.f_code.co_code[asking.f_lasti] == opmap[_FROM]:
        return ImportError(f"cannot import name {name!r}: {text}", name="pytest_flash")
    return AttributeError(text, name=name)


def _hint(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches
    from importlib import import_module

    if name.startswith("__"):
        return ""
    for each in _ELSEWHERE:
        found = getattr(import_module(f"{__package__}.{each}"), name, None)
        if isinstance(found, type) and found.__module__.startswith(f"{__package__}."):
            return f"; it is in {__package__}.{each}"
    if name.startswith("flash_") and hasattr(import_module(f"{__package__}.fixtures"), name):
        return "; it is a fixture, which a test takes as an argument"
    folded = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), folded, n=1)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    return f"; it has {', '.join(sorted(known))}"
