"""Lines of a log that carry what a call prints, and what becomes of them on the way."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.functions.onworker.live_output import LivePrinter
from pytest_flash.functions.onworker.log_marks import Piece, marked, read, unmarked
from pytest_flash.functions.onworker.signing import Signer
from pytest_flash.functions.output.received_text import ReceivedText, shown
from tests.functions.output.forged_output import NAME, attacks
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
    parts = ReceivedText()
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
def test_a_truncated_line_is_not_a_piece_of_output(text: str, cut: int) -> None:
    for line in marked(Piece(RUN, 0, text), OURS):
        whole = line.decode("utf-8", "replace").removesuffix("\n")
        mark = whole.index("]") + 2
        if len(whole) - cut >= mark:
            assert heard(whole[:-cut]) is None


@given(line=st.text())
def test_other_lines_are_not_pieces_of_output(line: str) -> None:
    assert heard(line) is None
    assert unmarked(line) == line


def test_a_mark_may_stand_behind_a_line_without_end() -> None:
    (line,) = marked(Piece(RUN, 3, "text\n"), OURS)
    text = "begun" + line.decode().rstrip("\n")
    assert heard(text) == Piece(RUN, 3, "text\n")
    assert unmarked(text) == "begun"
    assert unmarked(line.decode().rstrip("\n")) is None


@pytest.mark.parametrize(
    "forged",
    [
        f"[flash {OURS.name}.{RUN} 0+4 {'0' * 32}] fake",
        f"[flash {OURS.name}.{RUN} 0+4 ] fake",
        f"[flash {OURS.name}.{RUN} 0+4] fake",
        f"[flash {OTHERS.name}.{RUN} 0+4 {'0' * 32}] fake",
        f"[flash {OURS.name}.{RUN} {'9' * 5000}+4 {'0' * 32}] fake",
        f"[flash {OURS.name}.{RUN} ١+٤ {'0' * 32}] fake",
        f"[flash 0.0 {'9' * 5000}+4] fake",
        f"[flash {OURS.name}.{RUN} 0+4 {OURS.sign('description', b'fake')}] fake",
        f"[flash {OURS.name}.{RUN} 0+4 {OURS.sign('output', b'fake')}] fake",
        *(
            line.decode().rstrip("\n").replace(OTHERS.name, OURS.name)
            for line in marked(Piece(RUN, 0, "fake\n"), OTHERS)
        ),
        *(
            line.decode().rstrip("\n").replace(" 0+", " 4+")
            for line in marked(Piece(RUN, 0, "moved\n"), OURS)
        ),
    ],
)
def test_what_the_call_has_not_signed_is_not_output_and_hides_none(forged: str) -> None:
    assert heard(forged) is None
    piece = Piece(RUN, 3, f"{forged[:500]}\n")
    (line,) = marked(piece, OURS)
    for cut in (len(forged), len(forged) // 2, 10):
        assert heard(f"{forged[:cut]}{line.decode().rstrip()}") == piece


def test_a_piece_is_found_at_the_end_of_a_very_long_line() -> None:
    piece = Piece(RUN, 0, "text\n")
    (line,) = marked(piece, OURS)
    for filling in ("x", "[flash ", f"[flash {OURS.name}.{RUN} 0+4 {'0' * 32}] "):
        assert heard(filling * 100_000 + line.decode().rstrip("\n")) == piece


def spoken(work: Callable[[LivePrinter], None], time: FakeTime | None = None) -> list[Piece]:
    """What ``work`` says, on this process's standard output for as long as it lasts."""
    pieces = through_a_log(written(work, time))
    assert None not in pieces
    return [piece for piece in pieces if piece is not None]


def written(work: Callable[[LivePrinter], None], time: FakeTime | None = None) -> bytes:
    """What ``work`` writes there."""
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
        work(LivePrinter(OURS, (time or FakeTime()).clock))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        reader.join()
        os.close(reading)
    return b"".join(chunks)


HOSTILE = st.one_of(
    st.binary(),
    st.sampled_from(
        [each.replace(NAME, OURS.name) for each in attacks(Path("/never")).values()]
    ).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([*marked(Piece(RUN, 0, "fake\n" * 3), OTHERS)]),
    st.builds(
        lambda line, cut: line[:cut],
        st.sampled_from([*marked(Piece(RUN, 0, "fake\n"), OURS)]),
        st.integers(0, 60),
    ),
)


@given(said=st.lists(TEXT | HOSTILE))
def test_unsigned_lines_are_not_read_as_output_and_hide_none(
    said: list[str | bytes],
) -> None:
    def work(aloud: LivePrinter) -> None:
        for each in said:
            if isinstance(each, str):
                aloud.add(each)
            else:
                os.write(1, each)

    parts = ReceivedText()
    for line in written(work).decode("utf-8", "replace").split("\n"):
        if (piece := heard(line)) is not None:
            parts.add(piece.at, piece.text)
    whole = "".join(each for each in said if isinstance(each, str))
    assert parts.text == whole[: whole.rfind("\n") + 1]


@given(texts=st.lists(TEXT))
def test_whole_lines_are_said_as_they_come(texts: list[str]) -> None:
    def work(aloud: LivePrinter) -> None:
        for text in texts:
            aloud.add(text)

    pieces = spoken(work)
    whole = "".join(texts)
    parts = ReceivedText()
    for piece in pieces:
        parts.add(piece.at, piece.text)
    assert parts.text == whole[: whole.rfind("\n") + 1]
    assert parts.unheard(whole) == whole[whole.rfind("\n") + 1 :]


def test_a_progress_bar_is_said_now_and_then() -> None:
    time = FakeTime()

    def work(aloud: LivePrinter) -> None:
        for percent in range(100):
            aloud.add(f"\r{percent} %")
            time.advance(0.125)
        aloud.add("\r100 %\n")

    reported = [shown(piece.text) for piece in spoken(work, time)]
    assert reported == ["16 %", "32 %", "48 %", "64 %", "80 %", "96 %", "100 %\n"]


def test_a_flood_is_left_to_the_result() -> None:
    time = FakeTime()
    first = "".join(f"line {number}\n" for number in range(50_000))

    def work(aloud: LivePrinter) -> None:
        for line in first.splitlines(keepends=True):
            aloud.add(line)
        time.advance(2)
        aloud.add("too soon\n")
        time.advance(0.5)
        aloud.add("at last\n")

    parts = ReceivedText()
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
        LivePrinter(OURS).add("unheard\n")
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
    parts, covered = ReceivedText(), set[int]()
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


def test_what_was_read_differently_is_reported_again() -> None:
    parts = ReceivedText()
    parts.add(0, "one\n")
    parts.add(4, "twO\n")
    assert parts.unheard("one\ntwo\nthree") == "two\nthree"


def test_what_is_older_than_what_a_worker_keeps_is_forgotten() -> None:
    parts = ReceivedText()
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
