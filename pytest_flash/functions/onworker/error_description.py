"""An exception as plain data, for its caller to raise again.

It travels as a line of JSON among what the function printed, all that a worker passes on beside
the text of an error; signed with the call's secret, since anybody may have written that text.
"""

from __future__ import annotations

import base64
import builtins
import itertools
import json
import linecache
import traceback
import types
from dataclasses import dataclass, field
from typing import Any

from . import pickles
from .signing import Signer

# The file names under which these modules are compiled on the worker.
RUNTIME = "<pytest-flash>"
# Of a deeper traceback the middle is left out.
_FRAMES = 100
_SIGNED = "description"
# Characters of a description, of what a worker can send; and in one that is cut those of a text,
# and the bytes of a pickle.
_MOST, _TEXT, _MOST_CUT = 17_000_000, 100_000, 1_000_000
# Groups in groups: pytest and others cannot show much more, nor Python more than ten.
_DEPTH = 100
_LEFT_OUT = "[…]"
# Its own: some libraries replace json.dumps by one that has other types or takes more lines.
_encode = json.JSONEncoder().encode
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", None)


def describe(error: BaseException, output: tuple[str, str, int]) -> str:
    """``error`` and all that is chained to it, as one line of JSON in ASCII.

    An object: ``output`` as given; ``traceback`` is the text of the whole; ``errors`` a list of
    objects, the raised one first, which refer to each other by their index. See ``_Chain.one``
    for their fields.
    """
    _trim(error)
    chain = _Chain()
    chain.add(error)
    for each in chain.found:  # Which grows meanwhile.
        chain.errors.append(chain.one(each))
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    whole = {"output": output, "traceback": "".join(lines), "errors": chain.errors}
    line = _encode(whole)
    # As a worker sends it, in JSON once more.
    if len(line) <= _MOST // 2 or len(_encode(line)) <= _MOST:
        return line
    return _encode(_cut(whole, error))


def _cut(whole: dict[str, Any], error: BaseException) -> dict[str, Any]:
    """A description of ``error`` alone, without what is large; for all that it groups stands one
    exception."""
    count = len(whole["errors"]) - 1
    rest: dict[str, Any] = {"notes": [], "cause": None, "context": None, "parts": []}
    first = {**whole["errors"][0], **rest}
    first |= {
        "text": _short(first["text"]),
        "message": first["message"] and _short(first["message"]),
    }
    if first["content"] is not None:
        first["content"] = _content(error, _MOST_CUT)
    others = []
    if _is_group(error):
        first["parts"] = [1]
        others = [_Chain().one(Exception(f"{count:,} exceptions are left out"))]
    return {**whole, "traceback": _short(whole["traceback"]), "errors": [first, *others]}


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}{_LEFT_OUT}"


def signed(description: str, signer: Signer) -> str:
    """The line, without its end, that carries a description to the signer's caller."""
    signature = signer.sign(_SIGNED, description.encode())
    return f"{_begin(signer)}{signature} {description}"


def find(printed: str, signer: Signer) -> dict[str, Any] | None:
    """The description that the signer's call has left among what was ``printed``.

    None where there is none whose signature is right.
    """
    # Only where a line begins: so each line is looked at once, however many marks it imitates.
    printed, begin = f"\n{printed}", f"\n{_begin(signer)}"
    at = printed.rfind(begin)
    while at >= 0:
        start, end = at + len(begin), printed.find("\n", at + 1)
        signature, _, description = printed[start : end if end >= 0 else None].partition(" ")
        if signer.verifies(_SIGNED, description.encode("utf-8", "surrogatepass"), signature):
            found: dict[str, Any] = json.loads(description)
            return found
        at = printed.rfind(begin, 0, at)
    return None


def _begin(signer: Signer) -> str:
    return f"[pytest-flash {signer.name} "


def text_of(error: BaseException) -> str:
    """``str(error)``, whatever a user's ``__str__`` does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<{type(error).__name__} whose text cannot be read>"


def has_text(error: BaseException) -> bool:
    """Whether ``str(error)`` works, and a worker can send it, with that of its causes."""
    try:
        str(error)
        "".join(traceback.format_exception(type(error), error, error.__traceback__)).encode()
    except Exception:  # noqa: BLE001 - as above; or the text has half a surrogate pair
        return False
    return True


@dataclass
class _Chain:
    found: list[BaseException] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)

    def add(self, error: BaseException | None, depth: int = 0) -> int | None:
        if error is None:
            return None
        if id(error) not in self.numbers:
            self.numbers[id(error)] = len(self.found)
            self.depths[id(error)] = depth
            self.found.append(error)
        return self.numbers[id(error)]

    def one(self, error: BaseException) -> dict[str, Any]:
        """``kinds``: module and qualified name of its class and of each base. ``content``: its
        arguments and attributes, as base64 of a pickle, None where they cannot be pickled.
        ``frames``: file, line, function, first line, source and columns of each."""
        parts, grouped = _parts(error), _is_group(error)
        depth = self.depths.get(id(error), 0) + 1
        if depth > _DEPTH and grouped:
            parts = (Exception(f"what is grouped more than {_DEPTH} times is left out"),)
        return {
            # A class may call its module anything.
            "kinds": [(str(k.__module__), k.__qualname__) for k in type(error).__mro__[:-1]],
            "text": text_of(error),
            "content": None if grouped else _content(error),
            "message": text_of_group(error) if grouped else None,
            "notes": _notes(error),
            "frames": _frames(error.__traceback__),
            "cause": self.add(error.__cause__),
            "context": self.add(error.__context__),
            "suppress": error.__suppress_context__,
            "parts": [self.add(part, depth) for part in parts],
        }


def _is_group(error: BaseException) -> bool:
    """Not one that merely has ``exceptions``, as those of many libraries do."""
    return _GROUP is not None and isinstance(error, _GROUP)


def _parts(error: BaseException) -> tuple[BaseException, ...]:
    return tuple(vars(_GROUP)["exceptions"].__get__(error)) if _is_group(error) else ()


def _notes(error: BaseException) -> list[str]:
    """What ``add_note`` added; whatever else an attribute of that name holds is nothing of it."""
    notes = vars(error).get("__notes__")
    return [each for each in notes if isinstance(each, str)] if isinstance(notes, list) else []


def text_of_group(error: BaseException) -> str:
    """The message of an exception group, without the count that its text ends with."""
    return str(getattr(error, "message", ""))


def _content(error: BaseException, most: int | None = None) -> str | None:
    """How to build ``error`` again: arguments, attributes, and its own way if it has one, pickled.

    Built-in exceptions keep some of what they hold, such as a file's name, out of ``args``. Of
    an argument that cannot be pickled its text is sent, and such an attribute is left out; also of
    what takes more than ``most`` bytes.
    """
    try:
        reduced = type(error).__reduce__(error)
        kind = getattr(type(error).__reduce__, "__objclass__", None)
        own_way = kind is None or kind.__module__ != "builtins"
        whole = _pickled(error, most) if own_way else None
        args = error.args if own_way or not isinstance(reduced, tuple) else reduced[1]
        attributes = {**error.__dict__}
        if isinstance(reduced, tuple) and len(reduced) > 2 and isinstance(reduced[2], dict):
            attributes.update(reduced[2])
        attributes.pop("__notes__", None)
        data = _pickled((args, attributes, whole), most)
        if data is None:
            args = tuple(each if _pickled(each, most) else _text(each) for each in args)
            attributes = {name: each for name, each in attributes.items() if _pickled(each, most)}
            data = _pickled((args, attributes, whole))
    except Exception:  # noqa: BLE001 - runs the user's __reduce__ and __repr__
        return None
    return None if data is None else base64.b64encode(data).decode()


def _text(value: Any) -> str:
    return _short(value if isinstance(value, str) else repr(value))


def _pickled(value: Any, most: int | None = None) -> bytes | None:
    try:
        data: bytes = pickles.dumps(value)
    except Exception:  # noqa: BLE001 - runs the user's __reduce__ and __getstate__
        return None
    return data if most is None or len(data) <= most else None


def _frames(trace: types.TracebackType | None) -> list[tuple[Any, ...]]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        # Python may know no line, and libraries make tracebacks with any.
        line = max(trace.tb_lineno or code.co_firstlineno, 1)
        text = linecache.getline(code.co_filename, line, trace.tb_frame.f_globals)
        place = (code.co_filename, line, code.co_name, code.co_firstlineno, text)
        frames.append((*place, _columns(trace)))
        trace = trace.tb_next
    return frames


def _columns(trace: types.TracebackType) -> tuple[int, int, int] | None:
    """End line, first and last column of what was executed, where Python knows."""
    positions = getattr(trace.tb_frame.f_code, "co_positions", None)
    if positions is None or trace.tb_lasti < 0:
        return None
    line, end, first, last = next(itertools.islice(positions(), trace.tb_lasti // 2, None))
    known = line == trace.tb_lineno and None not in (end, first, last)
    return (end, first, last) if known else None


def _trim(error: BaseException) -> None:
    """Take our own frames and the import system's out of every traceback of the chain."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        # An attribute may hide the method.
        BaseException.with_traceback(each, _without_ours(each.__traceback__))
        waiting += [each.__cause__, each.__context__, *_parts(each)]


def _without_ours(trace: types.TracebackType | None) -> types.TracebackType | None:
    """``trace`` without our frames and the import system's, and without the middle of many."""
    kept = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith((RUNTIME, "<frozen importlib")):
            kept.append(trace)
        trace = trace.tb_next
    if len(kept) > _FRAMES:
        kept = kept[: _FRAMES // 2] + kept[-_FRAMES // 2 :]
    rest = None
    for each in reversed(kept):
        each.tb_next = rest
        rest = each
    return rest
