"""GraphQL documents, as far as clients of Runpod's write them: fields, arguments, variables.

Fragments, aliases and directives are refused by name. No text of a document is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..server.http_errors import HttpError

DEPTH_LIMIT = 12
"""How deep selections, and the literals of arguments, may be nested."""

_TOKEN = re.compile(
    r"""[\s,\ufeff]+ | \#[^\n\r]* | (?P<token>
        \.\.\. | [{}()\[\]:$=!@|&]
        | [_A-Za-z][_0-9A-Za-z]*
        | -?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?(?![_0-9A-Za-z.])
        | "(?!"")(?:[^"\\\n\r]|\\.)*"
        | ""(?!")
    )""",
    re.VERBOSE,
)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Field:
    """A field that is asked for; ``selection`` is empty for one that has no fields itself."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    selection: tuple[Field, ...] = ()


def root_fields(query: str, variables: Mapping[str, Any]) -> tuple[Field, ...]:
    """The outermost fields of the one operation in ``query``, their variables put in.

    Raises HttpError 400 for what cannot be read.
    """
    reader = _Reader(_tokens(query), variables)
    fields = reader.operation()
    if reader.peek() is not None:
        _refuse(f"one operation is expected, and {reader.peek()!r} follows it")
    return fields


def _tokens(query: str) -> list[str]:
    tokens, position = [], 0
    while position < len(query):
        found = _TOKEN.match(query, position)
        if found is None:
            _refuse(f"{query[position : position + 20]!r} is not expected in a query")
        position = found.end()
        if found["token"] is not None:
            tokens.append(found["token"])
    return tokens


class _Reader:
    """Reads tokens one after the other."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._next = 0

    def peek(self) -> str | None:
        """The next token; None at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def operation(self) -> tuple[Field, ...]:
        """``query Name($variable: Type) {...}``, or the selection alone."""
        if self.peek() in ("query", "mutation"):
            self._take()
            if self.peek() not in ("(", "{"):
                self._name()
            if self.peek() == "(":
                self._skip_declarations()
        return self._selection(1)

    def _selection(self, depth: int) -> tuple[Field, ...]:
        self._limit(depth)
        self._expect("{")
        fields = []
        while self.peek() != "}":
            fields.append(self._field(depth))
        self._take()
        if not fields:
            _refuse("a selection is empty")
        return tuple(fields)

    def _field(self, depth: int) -> Field:
        if self.peek() == "...":
            _refuse("fragments are not supported")
        name = self._name()
        if self.peek() == ":":
            _refuse(f"aliases are not supported: {name!r}")
        arguments = self._arguments(depth) if self.peek() == "(" else {}
        selection = self._selection(depth + 1) if self.peek() == "{" else ()
        return Field(name, arguments, selection)

    def _arguments(self, depth: int) -> dict[str, Any]:
        self._take()
        return self._members(")", depth)

    def _members(self, closing: str, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self.peek() != closing:
            name = self._name()
            self._expect(":")
            members[name] = self._value(depth + 1)
        self._take()
        return members

    def _value(self, depth: int) -> Any:
        self._limit(depth)
        token = self._take()
        if token == "$":
            return self._variables.get(self._name())
        if token == "{":
            return self._members("}", depth)
        if token == "[":
            items = []
            while self.peek() != "]":
                items.append(self._value(depth + 1))
            self._take()
            return items
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if _NAME.fullmatch(token):
            return token  # a value of an enumeration
        try:
            return json.loads(token)  # strings and numbers are written as in JSON
        except ValueError:
            _refuse(f"{token!r} is not a value")

    def _skip_declarations(self) -> None:
        """The types of variables say nothing that their values do not."""
        opened: list[str] = []
        while True:
            token = self._take()
            if token in _CLOSING:
                self._limit(len(opened) + 1)
                opened.append(_CLOSING[token])
            elif opened and token == opened[-1]:
                opened.pop()
                if not opened:
                    return

    def _name(self) -> str:
        token = self._take()
        if not _NAME.fullmatch(token):
            _refuse(f"a name is expected, not {token!r}")
        return token

    def _expect(self, expected: str) -> None:
        token = self._take()
        if token != expected:
            _refuse(f"{expected!r} is expected, not {token!r}")

    def _take(self) -> str:
        token = self.peek()
        if token is None:
            _refuse("the query ends too early")
        self._next += 1
        return token

    def _limit(self, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            _refuse(f"the query is nested more than {DEPTH_LIMIT} deep")


def _refuse(problem: str) -> NoReturn:
    raise HttpError(400, f"the query cannot be read: {problem}")
