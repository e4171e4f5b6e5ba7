"""A disk that is full: a small file system, or a limit to what this process may write."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, *, read_only: bool = False) -> Iterator[None]:
    """Mount a file system of 64 KiB at ``folder`` while the context lasts; else skip."""
    folder.mkdir(parents=True)
    options = f"size=64k,mode=700,{'ro' if read_only else 'rw'}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("no file system can be mounted here: there is no mount")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        # Lazily: what is under way may be in it still.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


FILL = """
import contextlib
def fill():
    with contextlib.suppress(OSError), open({folder!r} + "/filler", "ab", buffering=0) as filler:
        while filler.write(b"x" * 512):
            pass
"""
"""Python source of ``fill``, which uses up what is left in ``folder``."""
