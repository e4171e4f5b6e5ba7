"""Functions that print in every way, and what of it is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.events import Event, JobEnded, JobOutput


def printing(resource: CpuLiveServerless) -> tuple[Any, Any]:
    """``prints(flag, after)`` and ``dies(flag)`` on ``resource``, which wait for files."""

    @remote(resource)
    def prints(path: str, after: str) -> str:
        import logging
        import sys
        import threading
        import time
        from pathlib import Path

        print("same")
        print("same")
        print("half ", end="")
        print("and half", file=sys.stderr)
        print("ünï \u2028 \x85 😀 \x1b[1m bold \\ \" '")
        print("long " + "ä" * 10_000)
        print("several\nlines\n\nat once")
        for percent in range(0, 101, 20):
            sys.stderr.write(f"\r{percent:3} %")
        sys.stderr.write("\n")
        logging.getLogger("some").warning("logged")
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        print("[flash 0.0 0+4] fake")
        deadline = time.monotonic() + 90
        while not Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        print(after)
        print("same")
        print("unended", end="")
        return after

    @remote(resource)
    def dies(path: str) -> None:
        import os
        import time
        from pathlib import Path

        print("last words")
        deadline = time.monotonic() + 90
        while not Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os._exit(3)

    return prints, dies


BEFORE = "".join(
    (
        "same\nsame\nhalf and half\n",
        "ünï \u2028 \x85 😀 \x1b[1m bold \\ \" '\n",
        f"long {'ä' * 10_000}\n",
        "several\nlines\n\nat once\n",
        "{progress}\n",
        "WARNING:some:logged\nfrom a thread\n[flash 0.0 0+4] fake\n",
    )
)
# As a terminal shows it, and as it was printed.
SHOWN = BEFORE.format(progress="100 %")
PRINTED = BEFORE.format(progress="".join(f"\r{percent:3} %" for percent in range(0, 101, 20)))


def after(text: str) -> str:
    """What is printed last."""
    return f"{text}\nsame\nunended"


def reported(events: list[Event], call: int = 1) -> str:
    """What has been reported of the output of a call."""
    outputs = [each for each in events if isinstance(each, JobOutput) and each.call == call]
    return "".join(each.text for each in outputs)


def ended(events: list[Event], call: int = 1) -> JobEnded:
    """How a call ended."""
    (found,) = (each for each in events if isinstance(each, JobEnded) and each.call == call)
    return found


Wait = Callable[[Callable[[], bool]], None]
