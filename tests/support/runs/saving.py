"""Saving files as a careful editor does, so that a watcher sees each save once and whole."""

from __future__ import annotations

from pathlib import Path


def save(file: Path, text: str) -> None:
    """Put ``text`` in the place of ``file`` at once."""
    # A name that `flash run` does not watch.
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text)
    draft.replace(file)
