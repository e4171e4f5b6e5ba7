"""What a worker keeps of long output."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.emulator.worker.output.shortened_text import ShortenedText

pieces = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.integers(1, 60_000)), max_size=12)


@given(pieces)
def test_beginning_and_end_are_kept_and_the_rest_is_counted(parts: list[tuple[str, int]]) -> None:
    kept, whole = ShortenedText(), ""
    for text, times in parts:
        assert kept.write(text * times) == len(text) * times
        whole += text * times
    found = kept.getvalue()
    left_out = len(whole) - 500_000
    if left_out <= 0:
        assert found == whole
    else:
        note = f"\n[… {left_out:,} characters …]\n"
        assert found == whole[:250_000] + note + whole[-250_000:]


def test_what_must_be_kept_is() -> None:
    kept = ShortenedText()
    kept.write("x" * 1_000_000)
    io.StringIO.write(kept, "\nby its base\n")
    kept.write_whole("\nby name\n")
    kept.write("y" * 1_000_000)
    assert "\nby its base\n\nby name\n" in kept.getvalue()
