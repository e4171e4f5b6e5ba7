"""Values out of a fixed set, and the words for one that is not in it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, cast


class Choice(str, Enum):
    """A value out of a fixed set: equal to its text, and printed as it."""

    def __str__(self) -> str:
        return str(self.value)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``word`` was probably meant to be; None when none is close.

    Case does not count. A word that is part of a candidate is close too ("RTX 4090").
    """
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    lower = word.lower()
    found = difflib.get_close_matches(lower, by_lower, n=1)
    if not found and len(lower) > 2:
        found = [candidate for candidate in by_lower if lower in candidate]
    return by_lower[found[0]] if found else None


def one_of(what: str, *kinds: type[Choice]) -> Callable[[object], Choice]:
    """A function that turns a member or its text into a member of one of ``kinds``.

    It raises ValueError with the value, the nearest one and everything allowed; ``what`` names
    the set ("a data center").
    """

    def choose(value: object) -> Choice:
        found = _member(value, kinds)
        if found is None:
            raise ValueError(_not_any([value], what, kinds))
        return found

    return choose


def some_of(what: str, *kinds: type[Choice]) -> Callable[[object], tuple[Choice, ...]]:
    """Like ``one_of`` for a list: one value or a sequence of them becomes a tuple.

    Repeated values are kept once. It raises ValueError naming every bad value.
    """

    def choose(value: object) -> tuple[Choice, ...]:
        single = isinstance(value, str) or not isinstance(value, Sequence)
        items: list[object] = [value] if single else list(cast("Sequence[object]", value))
        found = [_member(item, kinds) for item in items]
        chosen = [member for member in found if member is not None]
        if len(chosen) < len(found):
            bad = [item for item, member in zip(items, found, strict=True) if member is None]
            raise ValueError(_not_any(bad, what, kinds))
        return tuple(dict.fromkeys(chosen))

    return choose


def comma_list(choose: Callable[[object], Any]) -> Callable[[object], Any]:
    """``choose`` for several values, which one string may hold with commas between them."""

    def check(value: object) -> Any:
        if isinstance(value, str):
            return choose([part.strip() for part in value.split(",") if part.strip()])
        return choose(value)

    return check


def _member(value: object, kinds: tuple[type[Choice], ...]) -> Choice | None:
    if isinstance(value, kinds):
        return value
    if not isinstance(value, str):
        return None
    return next((member for kind in kinds for member in kind if member.value == value), None)


def _not_any(values: Iterable[object], what: str, kinds: tuple[type[Choice], ...]) -> str:
    allowed = list(dict.fromkeys(str(member.value) for kind in kinds for member in kind))
    parts = []
    for value in values:
        near = nearest(value, allowed) if isinstance(value, str) else None
        parts.append(f"{value!r} is not {what}" + (f", did you mean {near!r}?" if near else ""))
    return f"{'; '.join(parts)} (allowed: {', '.join(allowed)})"
