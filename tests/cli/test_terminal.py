"""What `flash` prints of the events it is told."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flash_cli.activity import Activity
from flash_cli.event_printer import Terminal
from flash_cli.output import Output
from flash_cli.spinner import status
from pytest_flash.events import (
    AppBroken,
    EndpointPending,
    EndpointReady,
    Event,
    JobNamed,
    JobOutput,
    Notice,
    PortTaken,
    Reloading,
)
from tests.console.reported import MAIN, READY, SERVING, TARGET, ended, failed, started
from tests.support.environment import clean_environment
from tests.support.system.processes import wait_until


def printed(*events: Event, quiet: bool = False) -> list[str]:
    """The lines on a stream that is no terminal."""
    stream = io.StringIO()
    terminal = Terminal(Output(stream), quiet=quiet)
    for event in events:
        terminal.show(event)
    return stream.getvalue().splitlines()


def output(text: str) -> JobOutput:
    return JobOutput(1, "resize", f"{MAIN}:9", "live-gpu", "job-1", "w1", text)


def test_the_start_screen_says_what_runs_where() -> None:
    assert printed(TARGET, SERVING) == [
        "   target the embedded Runpod: worker processes on this machine, no cost "
        "(no RUNPOD_API_KEY)",
        "          set it",
        " endpoint live-gpu  ADA_24  resize  lazy",
        "          lazy: made by its first call; --auto-provision makes it before serving",
        "   reload on: a save brings up the new code",
        "      app main:app at http://localhost:8888",
        "     docs http://localhost:8888/docs",
        "          Press Ctrl-C to stop",
    ]


def test_the_start_screen_says_what_else_there_is() -> None:
    lines = printed(
        replace(SERVING, reload=False, console="http://localhost:8888/__flash__?token=t")
    )
    assert "   reload off" in lines
    assert lines[-2:] == [
        "  console http://localhost:8888/__flash__?token=t",
        "          Press Ctrl-C to stop",
    ]
    assert " endpoint none: the app has no remote functions" in printed(
        replace(SERVING, endpoints=())
    )


@pytest.mark.parametrize(
    ("before", "state"),
    [
        ([], "lazy"),
        ([READY], "cold"),
        ([EndpointReady("live-gpu", "ep0", "reused", 0.1)], "provisioned"),
        ([READY, started(), ended()], "warm"),
    ],
)
def test_the_start_screen_says_how_endpoints_stand(before: list[Event], state: str) -> None:
    (line,) = [line for line in printed(*before, SERVING) if "ADA_24" in line]
    assert line.split()[-1] == state


def test_a_job_is_one_line() -> None:
    lines = printed(started(), JobNamed(1, "job-1"), ended(), started(2), ended(2, cold=False))
    assert lines == [
        "      job resize #1 on live-gpu: completed cold, queue 12 ms, run 34 ms",
        "      job resize #2 on live-gpu: completed warm, queue 12 ms, run 34 ms",
    ]


def test_a_failure_prints_the_remote_traceback_once() -> None:
    lines = printed(started(), failed())
    assert lines[0] == "      job resize #1 on live-gpu: failed cold, queue 12 ms, run 34 ms"
    assert "\n".join(lines).count("ZeroDivisionError") == 1
    assert "\n".join(lines).count("return 1 / 0") == 1


def test_a_call_without_an_answer_says_why() -> None:
    nothing: dict[str, Any] = {
        "delay_time": None,
        "execution_time": None,
        "worker_id": None,
        "output": None,
    }
    lines = printed(started(), ended(state=None, error="connection refused", **nothing))
    assert lines == ["      job resize #1 on live-gpu: no answer", "          connection refused"]


def test_output_names_its_function_and_job_and_comes_once() -> None:
    lines = printed(started(), output("one\ntwo"), ended(stdout="one\ntwo\n"))
    assert lines[:2] == ["resize #1 | one", "resize #1 | two"]
    assert len(lines) == 3


def test_quiet_leaves_what_goes_well_unsaid() -> None:
    told = printed(
        TARGET,
        SERVING,
        EndpointPending("live-gpu", "creating"),
        READY,
        started(),
        output("chatter"),
        ended(),
        Reloading(("main.py",)),
        Notice("look"),
        PortTaken(8888, 8889),
        AppBroken("main.py:1: SyntaxError"),
        failed(),
        quiet=True,
    )
    text = "\n".join(told)
    for word in ("http://localhost:8888", "look", "8889", "SyntaxError", "ZeroDivisionError"):
        assert word in text
    for word in ("chatter", "completed", "creating", "reload main.py"):
        assert word not in text


@contextlib.contextmanager
def terminal_read() -> Iterator[tuple[io.TextIOWrapper, Callable[[], str]]]:
    """A real terminal to write on, and all that was written."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    read = b""

    def text() -> str:
        nonlocal read
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(ours, 65536):
                read += chunk
        return read.decode()

    try:
        with open(theirs, "w") as stream:  # noqa: PTH123 - a descriptor
            yield stream, text
    finally:
        os.close(ours)


def test_a_terminal_spins_while_a_cold_start_takes_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with terminal_read() as (stream, text):
        terminal = Terminal(Output(stream))
        terminal.show(SERVING)
        terminal.show(started())
        wait_until(lambda: "cold start of live-gpu with numpy, " in text(), 60, "the spinner")
        terminal.show(ended())
        wait_until(lambda: "run 34 ms" in text(), 60, "the job's line")
        terminal.show(Notice("the end"))
        wait_until(lambda: "the end" in text(), 60, "the note")
        spun, _, after = text().rpartition("completed cold")
        assert spun.count("\x1b[K") == spun.count("cold start of")
        assert "cold start of" not in after


def test_no_color_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for value, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", value)
        with terminal_read() as (stream, text):
            Terminal(Output(stream)).show(TARGET)
            wait_until(lambda: "set it" in text(), 60, "the line")
            assert ("\x1b[36m" in text()) is coloured


def test_errors_have_no_colour_either(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = clean_environment(NO_COLOR="1", TERM="xterm")
    command = [sys.executable, "-m", "flash_cli", "run", "--port", "99999"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stderr=theirs, timeout=60)
    os.close(theirs)
    said = os.read(ours, 65536)
    os.close(ours)
    assert done.returncode == 1
    assert said.startswith(b"flash: ")


def test_a_dumb_terminal_gets_lines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with terminal_read() as (stream, _):
        assert not Output(stream).is_terminal


def test_what_no_terminal_can_show_is_replaced() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    Terminal(Output(stream)).show(output("snow ☃ \udc80"))
    assert written.getvalue() == b"resize #1 | snow ? ?\n"


def test_a_reader_that_is_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = open(writing, "w")  # noqa: PTH123, SIM115 - closing flushes once more, and raises
    Terminal(Output(stream)).show(TARGET)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_the_status_names_the_longest_and_fits_a_line() -> None:
    assert status(Activity("quick", 10.0), 10.1) == ""
    text = status(Activity("x" * 200, 10.0, others=1), 12.0)
    assert text.endswith("…, 2.0 s, and 1 more")
    assert len(text) == 70
