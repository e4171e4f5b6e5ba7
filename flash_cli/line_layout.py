"""How lines look: the word that begins them, columns, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click


def label(text: str) -> str:
    """The word that begins a line."""
    return click.style(f"{text:>9}", fg="cyan")


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """``rows`` with every column but the last as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def duration(milliseconds: int) -> str:
    """Such as 12 ms, 1.52 s."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
