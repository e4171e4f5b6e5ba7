"""docs/troubleshooting.md quotes what the code says."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.environment import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
_ANYTHING = "…"


def text(node: ast.AST) -> str:
    """A text of the code, with ``…`` for what is put into it."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(text(each) for each in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text(left) + text(right)
    return _ANYTHING


@cache
def texts() -> list[str]:
    """Every text of the product's code."""
    files = (each for top in ("pytest_flash", "flash_cli") for each in (ROOT / top).rglob("*.py"))
    return [
        text(node)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp)
    ]


def is_said(message: str) -> bool:
    parts = (re.escape(part.strip()) for part in message.split(_ANYTHING))
    wanted = re.compile(".*".join(parts), re.DOTALL)
    return any(wanted.search(each) for each in texts())


def test_there_are_messages_for_each_part_of_a_days_work() -> None:
    assert len(MESSAGES) >= 35
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_codes(message: str) -> None:
    assert is_said(message)


def test_another_message_is_none() -> None:
    assert not is_said("no worker took job … in good time")
