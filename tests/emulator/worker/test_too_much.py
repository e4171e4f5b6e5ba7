"""Calls that print, return or raise more than can be sent."""

from __future__ import annotations

import pytest

from tests.emulator.worker.platform import Platform


def test_of_output_without_measure_the_beginning_and_the_end_are_kept(warm: Platform) -> None:
    code = """
        import sys
        def f():
            for stream in (sys.stdout, sys.stderr):
                stream.write("begins" + "x" * 25_000_000 + "ends")
            return 7
        """
    outcome = warm.call(code)
    assert outcome.value == 7
    assert len(outcome.stdout) < 2_000_000
    for text in ("begins", "ends", "[… 24,500,010 characters …]"):
        assert outcome.stdout.count(text) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def f():\n    raise ValueError('x' * 25_000_000)", "xxx"),
        ("def f():\n    return bytes(25_000_000)", "The result is 33.3 MB as sent, and Runpod"),
    ],
    ids=["error", "result"],
)
def test_what_cannot_be_sent_fails_the_job_and_is_called_so(
    warm: Platform, code: str, error: str
) -> None:
    outcome = warm.call(code)
    assert outcome.error.startswith(error)
    assert len(outcome.error) < 1_000_000
    assert outcome.output["success"] is False


def test_a_chain_of_3000_causes_keeps_its_last_error(warm: Platform) -> None:
    code = """
        def f():
            last = None
            for number in range(3000):
                try:
                    raise KeyError(number) from last
                except KeyError as error:
                    last = error
            raise ValueError("at last") from last
        """
    assert warm.call(code).error.startswith("at last\nTraceback")
