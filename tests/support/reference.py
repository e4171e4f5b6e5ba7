"""The reference's tables that are made from the code: ``python -m tests.support.reference``."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator

import click

import pytest_flash
from flash_cli.commands import cli
from pytest_flash import errors, events, fixtures, plugin, resources, testing
from tests.support.environment import ROOT

PAGE = ROOT / "docs" / "reference.md"
_SECTION = re.compile(r"^(## .+)$", re.MULTILINE)

Row = tuple[str, ...]


class _Declared:
    """Takes down what the plugin tells pytest's parser."""

    def __init__(self) -> None:
        self.options: list[Row] = []
        self.keys: list[Row] = []

    def getgroup(self, *_: str) -> _Declared:
        return self

    def addoption(self, name: str, **how: object) -> None:
        shown = f"{name} {how['metavar']}" if "metavar" in how else name
        self.options.append((_code(shown), _cell(how["help"])))

    def addini(self, name: str, text: str, **_: object) -> None:
        self.keys.append((f"`{name}`", _cell(text)))


def tables() -> dict[str, str]:
    """The text of each section that follows from the code, by its heading."""
    declared = _Declared()
    plugin.pytest_addoption(declared)  # type: ignore[arg-type]
    markers = (line.partition(": ") for line in plugin._MARKERS)
    return {
        "## Commands": "\n\n".join(_command(each) for each in cli.commands.values()),
        "## Options of pytest": _table(("option", "what it does"), declared.options),
        "## Ini keys of pytest": _table(("key", "what it is"), declared.keys),
        "## Markers": _table(("marker", "a test with it"), [(f"`{m}`", t) for m, _, t in markers]),
        "## Fixtures": _table(("fixture", "scope", "what it is"), list(_fixtures())),
        "## Public names": _table(
            ("name", "what it is"),
            list(_public()),
        ),
        "## Errors": _table(("error", "is a", "when"), list(_errors())),
        "## Events": _table(
            ("event", "what it reports"),
            [(f"`{each.__name__}`", summary(each)) for each in _classes(events)],
        ),
    }


def rendered(page: str) -> str:
    """``page`` with its tables made anew; sections that are written by hand stay."""
    start, *parts = _SECTION.split(page)
    made = tables()
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    missing = made.keys() - sections.keys()
    assert not missing, f"{PAGE.name} has no section {missing}"
    return (
        start
        + "".join(
            f"{heading}\n\n{made[heading]}\n\n" if heading in made else f"{heading}{text}"
            for heading, text in sections.items()
        ).rstrip("\n")
        + "\n"
    )


def first_column(page: str, heading: str) -> set[str]:
    """The code in the first column of a section's table."""
    text = page.partition(f"{heading}\n")[2].partition("\n## ")[0]
    cells = (line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `"))
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def _command(command: click.Command) -> str:
    rows = []
    for each in command.params:
        record = (
            each.get_help_record(click.Context(command)) if isinstance(each, click.Option) else None
        )
        if record is not None:
            rows.append((_code(record[0]), _cell(record[1])))
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    head = f"### flash {command.name}\n\n`flash {command.name} {usage}`: {text}"
    return f"{head}\n\n{_table(('option', 'what it does'), rows)}"


def _public() -> Iterator[Row]:
    yield "`pytest_flash.__version__`", "The installed version, as text."
    seen: set[str] = set()
    for module in (pytest_flash, resources, testing):
        for name in sorted({*module.__all__} - seen):
            value = getattr(module, name)
            # Values have the docstrings of their types.
            text = summary(value) if callable(value) else f"A `{type(value).__name__}`."
            yield f"`{module.__name__}.{name}`", text
        seen |= {*module.__all__}


def _fixtures() -> Iterator[Row]:
    tree = ast.parse(inspect.getsource(fixtures))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in plugin.__all__:
            scoped = any("session" in ast.unparse(mark) for mark in node.decorator_list)
            text = (ast.get_docstring(node) or "").split("\n\n")[0]
            yield f"`{node.name}`", "session" if scoped else "function", _cell(text)


def _errors() -> Iterator[Row]:
    for each in _classes(errors):
        above = ", ".join(f"`{base.__name__}`" for base in each.__bases__)
        yield f"`{each.__name__}`", above, summary(each)


def _classes(module: object) -> Iterator[type]:
    name = getattr(module, "__name__", "")
    for each in vars(module).values():
        if isinstance(each, type) and each.__module__ == name and not each.__name__.startswith("_"):
            yield each


def summary(value: object) -> str:
    """The first paragraph of a docstring, in Markdown."""
    return _cell((inspect.getdoc(value) or "").split("\n\n")[0])


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("``", "`").replace("|", "\\|")


def _code(text: str) -> str:
    # A bar ends a cell, also within code.
    return f"`{_cell(text)}`"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n".join(lines)


def main() -> None:
    """Make the tables of the page anew."""
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
