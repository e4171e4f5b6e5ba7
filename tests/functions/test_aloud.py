"""Lines of a log that carry what a call prints, and what becomes of them on the way."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.functions.heard import Heard, shown
from pytest_flash.functions.onworker.aloud import Aloud, Piece, marked, read, unmarked
from pytest_flash.functions.onworker.signing import Signer
from tests.runpod.scripted import FakeTime

OURS, OTHERS = Signer(b"ours"), Signer(b"another call's")
RUN = "0123abcd"

# Half surrogate pairs too: they can be printed.
TEXT = st.text(st.one_of(st.characters(), st.sampled_from('\n\r\\"\u2028\x85\udc80\t ')))


def through_a_log(data: bytes) -> list[Piece | None]:
    """What a log makes of bytes: lines of UTF-8."""
    lines = data.decode("utf-8", "replace").split("\n")
    assert lines.pop() == ""
    return [heard(line) for line in lines]


def heard(line: str) -> Piece | None:
    """What a line says to whoever listens to our call."""
    found = read(line, {OURS.name: OURS}.get)
    assert found is None or found[0] == OURS.name
    return found and found[1]


@given(at=st.integers(0, 10**9), text=TEXT)
def test_what_is_marked_is_read(at: int, text: str) -> None:
    pieces = through_a_log(b"".join(marked(Piece(RUN, at, text), OURS)))
    parts = Heard()
    for piece in pieces:
        assert piece is not None
        assert piece.run == RUN
        parts.add(piece.at, piece.text)
    assert parts.text == text
    assert parts.unheard(text, at) == ""


@given(text=st.text(st.sampled_from("aä€😀\x00\x1b"), min_size=590, max_size=2000))
def test_a_line_is_written_at_once(text: str) -> None:
    lines = [*marked(Piece(RUN, 10**12, text), OURS)]
    assert max(map(len, lines)) <= 4096


@given(text=TEXT.filter(bool), cut=st.integers(1, 30))
def test_a_line_that_was_cut_is_no_piece(text: str, cut: int) -> None:
    for line in marked(Piece(RUN, 0, text), OURS):
        whole = line.decode("utf-8", "replace").removesuffix("\n")
        mark = whole.index("]") + 2
        if len(whole) - cut >= mark:
            assert heard(whole[:-cut]) is None


@given(line=st.text())
def test_other_lines_are_no_pieces(line: str) -> None:
    assert heard(line) is None
    assert unmarked(line) == line


def test_a_mark_may_stand_behind_a_line_without_end() -> None:
    (line,) = marked(Piece(RUN, 3, "text\n"), OURS)
    text = "begun" + line.decode().rstrip("\n")
    assert heard(text) == Piece(RUN, 3, "text\n")
    assert unmarked(text) == "begun"
    assert unmarked(line.decode().rstrip("\n")) is None


def spoken(work: Callable[[Aloud], None], time: FakeTime | None = None) -> list[Piece]:
    """What ``work`` says, on this process's standard output for as long as it lasts."""
    reading, writing = os.pipe()
    kept, chunks = os.dup(1), []

    def drain() -> None:
        while chunk := os.read(reading, 65_536):
            chunks.append(chunk)

    reader = threading.Thread(target=drain)
    reader.start()
    os.dup2(writing, 1)
    os.close(writing)
    try:
        work(Aloud(OURS, (time or FakeTime()).clock))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        reader.join()
        os.close(reading)
    pieces = through_a_log(b"".join(chunks))
    assert None not in pieces
    return [piece for piece in pieces if piece is not None]


@given(texts=st.lists(TEXT))
def test_whole_lines_are_said_as_they_come(texts: list[str]) -> None:
    def work(aloud: Aloud) -> None:
        for text in texts:
            aloud.add(text)

    pieces = spoken(work)
    whole = "".join(texts)
    parts = Heard()
    for piece in pieces:
        parts.add(piece.at, piece.text)
    assert parts.text == whole[: whole.rfind("\n") + 1]
    assert parts.unheard(whole) == whole[whole.rfind("\n") + 1 :]


def test_a_progress_bar_is_said_now_and_then() -> None:
    time = FakeTime()

    def work(aloud: Aloud) -> None:
        for percent in range(100):
            aloud.add(f"\r{percent} %")
            time.advance(0.125)
        aloud.add("\r100 %\n")

    told = [shown(piece.text) for piece in spoken(work, time)]
    assert told == ["16 %", "32 %", "48 %", "64 %", "80 %", "96 %", "100 %\n"]


def test_a_flood_is_left_to_the_result() -> None:
    time = FakeTime()
    first = "".join(f"line {number}\n" for number in range(50_000))

    def work(aloud: Aloud) -> None:
        for line in first.splitlines(keepends=True):
            aloud.add(line)
        time.advance(2)
        aloud.add("too soon\n")
        time.advance(0.5)
        aloud.add("at last\n")

    parts = Heard()
    for piece in spoken(work, time):
        parts.add(piece.at, piece.text)
    whole = f"{first}too soon\nat last\n"
    said = parts.text.removesuffix("at last\n")
    assert 499_980 < len(said) <= 500_000
    assert whole.startswith(said)
    assert parts.unheard(whole) == whole[len(said) :].removesuffix("at last\n")


def test_a_log_that_takes_nothing_does_no_harm() -> None:
    kept = os.dup(1)
    os.close(1)
    try:
        Aloud(OURS).add("unheard\n")
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@given(
    text=TEXT, cuts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))), seed=st.integers()
)
def test_parts_may_be_missing_overlap_and_come_late(
    text: str, cuts: list[tuple[int, int]], seed: int
) -> None:
    random.Random(seed).shuffle(cuts)
    parts, covered = Heard(), set[int]()
    for begin, length in cuts:
        part = text[begin : begin + length]
        for at, new in parts.missing(begin, part):
            assert text[at : at + len(new)] == new
            assert covered.isdisjoint(range(at, at + len(new)))
            covered.update(range(at, at + len(new)))
            parts.add(at, new)
    assert parts.text == "".join(text[at] for at in sorted(covered))
    rest = "".join(text[at] for at in range(len(text)) if at not in covered)
    assert parts.unheard(text).replace("\n", "") == rest.replace("\n", "")


def test_what_was_heard_otherwise_is_told_again() -> None:
    parts = Heard()
    parts.add(0, "one\n")
    parts.add(4, "twO\n")
    assert parts.unheard("one\ntwo\nthree") == "two\nthree"


def test_what_is_older_than_what_a_worker_keeps_is_forgotten() -> None:
    parts = Heard()
    for number in range(3000):
        parts.add(number * 1000, "x" * 999 + "\n")
    assert 1_000_000 <= len(parts.text) <= 1_001_000
    assert parts.has(2_500_000)
    assert not parts.has(100)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain\n", "plain\n"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("\r10 %\r20 %\rdone\n", "done\n"),
        ("\r10 %\r    \rdone\n", "done\n"),
        ("\r10 %\r    \r\n", "10 %\n"),
        ("\r\r\n", "\n"),
    ],
)
def test_of_a_line_that_was_written_over_the_last_state_is_shown(text: str, left: str) -> None:
    assert shown(text) == left
