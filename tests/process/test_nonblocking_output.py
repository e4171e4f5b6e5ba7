"""Streams that nobody reads: what is written to them waits, or is dropped and counted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flash.process.nonblocking_output import KEPT, Writer
from tests.support.system.processes import wait_until

NOTE = re.compile(rb"\nflash: ([\d,]+) lines, [\d,]+ bytes, are missing here: nobody read this")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="F_SETPIPE_SZ is Linux's")


@contextlib.contextmanager
def pipe(kept: int = KEPT) -> Iterator[tuple[int, Writer]]:
    """A pipe's reading end, and a writer of the other."""
    reader, end = os.pipe()
    writer = Writer(end, kept)
    try:
        yield reader, writer
    finally:
        with contextlib.suppress(OSError):
            os.close(reader)
        # What waits is given up then; it must not go to whoever gets this descriptor next.
        writer.flush(30, 30)
        os.close(end)


def read(reader: int, until: bytes) -> bytes:
    """What arrives, up to ``until``; fails after 30 s."""
    parts: list[bytes] = []
    os.set_blocking(reader, False)

    def arrived() -> bool:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(reader, 1 << 16):
                parts.append(piece)
        return b"".join(parts[-2:]).endswith(until)

    wait_until(arrived, 30, f"{until!r} at the end of what is read")
    return b"".join(parts)


def test_what_a_full_pipe_does_not_take_arrives_when_it_is_read() -> None:
    lines = b"".join(b"%d\n" % n for n in range(200_000))
    assert 1 << 20 < len(lines) < KEPT
    with pipe() as (reader, writer):
        for at in range(0, len(lines), 1000):
            writer.write(lines[at : at + 1000])
        writer.write(b"end\n")
        assert read(reader, b"end\n") == lines + b"end\n"


@settings(max_examples=6, deadline=None)
@given(
    pieces=st.lists(st.integers(1, 20_000), min_size=1, max_size=20),
    width=st.integers(1, 300),
)
def test_what_is_dropped_is_whole_lines_and_counted(pieces: list[int], width: int) -> None:
    kept = 50_000
    count = 300_000 // (width + 8)
    lines = b"".join(b"%07d%s\n" % (n, b"x" * width) for n in range(count))
    with pipe(kept) as (reader, writer):
        at = turn = 0
        while at < len(lines):  # In pieces that end anywhere, as a buffer's do.
            writer.write(lines[at : at + pieces[turn % len(pieces)]])
            at, turn = at + pieces[turn % len(pieces)], turn + 1
        arrived = read(reader, b"this output\n")
        writer.write(b"end\n")  # Or the rest of a line that was dropped, and so is this.
        writer.write(b"end\n")
        arrived += read(reader, b"end\n")
    whole = re.findall(rb"^(\d{7})x{%d}$" % width, arrived, re.MULTILINE)
    missing = sum(int(each.replace(b",", b"")) for each in NOTE.findall(arrived))
    assert missing > 0
    assert len(whole) + missing == count
    assert [int(each) for each in whole] == sorted({int(each) for each in whole})


def test_a_slow_reader_gets_everything() -> None:
    size = 3 * KEPT
    with pipe() as (reader, writer):
        received: list[int] = []

        def slowly() -> None:
            while sum(received) < size:
                received.append(len(os.read(reader, 1 << 16)))
                time.sleep(0.002)  # As slow as it is to be.

        thread = threading.Thread(target=slowly, daemon=True)
        thread.start()
        for _ in range(size // 10_000):
            writer.write(b"x" * 9_999 + b"\n")
        thread.join(60)
        assert sum(received) == size


def test_a_pipe_without_a_reader_raises() -> None:
    with pipe() as (reader, writer):
        os.close(reader)
        for _ in range(2):
            with pytest.raises(BrokenPipeError):
                writer.write(b"x")


def test_a_reader_that_goes_away_while_something_waits_is_told_of_at_a_later_write() -> None:
    with pipe() as (reader, writer):
        writer.write(b"x" * (1 << 20))
        os.close(reader)

        def raises() -> bool:
            try:
                writer.write(b"x")
            except BrokenPipeError:
                return True
            return False

        wait_until(raises, 30, "BrokenPipeError")


def test_others_who_share_the_pipe_still_block() -> None:
    with pipe() as (_, writer):
        writer.write(b"x" * (1 << 20))
        assert os.get_blocking(writer.descriptor)


def test_a_socket_is_written_to_without_waiting() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = Writer(theirs.fileno())
        text = b"x" * (1 << 21) + b"end\n"
        writer.write(text)
        assert theirs.getblocking()
        assert read(ours.fileno(), b"end\n") == text


def test_a_terminal_is_written_to_without_waiting() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0), os.fdopen(theirs, "wb", 0):
        writer = Writer(theirs)
        writer.write(b"x\n" * 100_000 + b"end\n")
        assert read(ours, b"end\r\n").count(b"x") == 100_000


def test_a_file_in_the_descriptors_place_is_followed(tmp_path: Path) -> None:
    with pipe() as (reader, writer):
        writer.write(b"before\n")
        with (tmp_path / "log").open("wb") as log:
            os.dup2(log.fileno(), writer.descriptor)
            writer.write(b"after\n")
        assert os.read(reader, 1024) == b"before\n"
    assert (tmp_path / "log").read_bytes() == b"after\n"


PROGRAM = """\
import os, sys
from pytest_flash.process.nonblocking_output import unblock_standard_streams

unblock_standard_streams()
"""


def program(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_forked_child_writes_its_own_lines_and_not_its_parents() -> None:
    code = """\
print("x" * 1_000_000)
if os.fork():
    os.wait()
    print("parent", flush=True)
else:
    print("child", flush=True)
    os._exit(0)
"""
    with program(code) as process:
        out, errors = process.communicate(timeout=30)
    assert errors == b""
    # The child waits for nobody, so its line may be among the parent's.
    assert out.count(b"x") == 1_000_000
    assert out.count(b"parent\n") == 1
    assert out.count(b"child\n") <= 1


def test_a_process_ends_though_nobody_reads_and_otherwise_writes_what_waits() -> None:
    with program("print('x' * 1_000_000)") as process:
        assert process.wait(30) == 0  # Nobody has read.
    with program("print('x' * 1_000_000)") as process:
        assert process.communicate(timeout=30)[0].count(b"x") == 1_000_000


def test_streams_stay_what_they_were() -> None:
    with tempfile.TemporaryFile() as output:
        code = (
            "print(sys.stdout.fileno(), sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.name)"
        )
        environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        subprocess.run(
            [sys.executable, "-c", PROGRAM + code], stdout=output, check=True, env=environment
        )
        output.seek(0)
        assert output.read() == b"1 False iso8859-1 <stdout>\n"


@LINUX
def test_a_writer_makes_no_thread_before_something_waits() -> None:
    before = threading.active_count()
    with pipe() as (reader, writer):
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        writer.write(b"x" * 4096)
        assert threading.active_count() == before
        writer.write(b"x")
        assert threading.active_count() == before + 1
        assert len(read(reader, b"x")) in (4096, 4097)
