"""Pickles that hold plain values and can do nothing, read without trusting whoever wrote them.

Pickle is a program for a small machine. Of its instructions only those are let through that
build dicts, lists, tuples, strings, bytes, numbers, booleans and None; what the bytes say is
looked at before any of it is carried out.
"""

from __future__ import annotations

import io
import pickle
from typing import NoReturn

# Instruction -> bytes of its argument.
_FIXED = {
    pickle.PROTO: 1,
    pickle.FRAME: 8,
    pickle.STOP: 0,
    pickle.MARK: 0,
    pickle.MEMOIZE: 0,
    pickle.BINGET: 1,
    pickle.LONG_BINGET: 4,
    pickle.NONE: 0,
    pickle.NEWTRUE: 0,
    pickle.NEWFALSE: 0,
    pickle.BININT: 4,
    pickle.BININT1: 1,
    pickle.BININT2: 2,
    pickle.BINFLOAT: 8,
    pickle.EMPTY_DICT: 0,
    pickle.SETITEM: 0,
    pickle.SETITEMS: 0,
    pickle.EMPTY_LIST: 0,
    pickle.APPEND: 0,
    pickle.APPENDS: 0,
    pickle.EMPTY_TUPLE: 0,
    pickle.TUPLE: 0,
    pickle.TUPLE1: 0,
    pickle.TUPLE2: 0,
    pickle.TUPLE3: 0,
}
# Instruction -> bytes of the length that heads its argument.
_PREFIXED = {pickle.SHORT_BINUNICODE: 1, pickle.BINUNICODE: 4, pickle.LONG1: 1}
_BYTES = {pickle.SHORT_BINBYTES: 1, pickle.BINBYTES: 4, pickle.BINBYTES8: 8}

# What carrying out allowed instructions in a senseless order can raise.
_SENSELESS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
)


class NotPlainError(ValueError):
    """These bytes are not a pickle of plain values; the message completes "it …"."""


def loads(data: bytes, *, with_bytes: bool = False) -> object:
    """The value in ``data``, a pickle of protocol 4 or later; of bytes only ``with_bytes``.

    An instruction may repeat or contain a value, so a few bytes can stand for one that is large
    to walk through. Raises NotPlainError.
    """
    _refuse_all_but_plain(data, {**_PREFIXED, **_BYTES} if with_bytes else _PREFIXED)
    try:
        value: object = _PlainUnpickler(io.BytesIO(data)).load()
    except _SENSELESS as error:
        raise NotPlainError(f"cannot be unpickled: {error}") from error
    return value


def _refuse_all_but_plain(data: bytes, prefixed: dict[bytes, int]) -> None:
    at, instruction = 0, b""
    while instruction != pickle.STOP:
        instruction = data[at : at + 1]
        if not instruction:
            raise NotPlainError("ends too early")
        at += 1
        if instruction in _FIXED:
            at += _FIXED[instruction]
        elif instruction in prefixed:
            width = prefixed[instruction]
            at += width + int.from_bytes(data[at : at + width], "little")
        else:
            raise NotPlainError(
                f"holds more than plain values (pickle instruction {instruction!r} at byte "
                f"{at - 1})"
            )
    if at != len(data):
        raise NotPlainError("goes on after its end")


class _PlainUnpickler(pickle.Unpickler):
    """The second fence, should an instruction that can call anything ever pass the first."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not a plain value")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError(f"reference {pid!r} is not a plain value")
