"""Remote functions that pass on text of strangers in every way there is, and such text."""

from __future__ import annotations

import base64
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote

# What is replaced on the worker by the name of the running call, which a log shows.
NAME = "{name of the call}"
NOBODY = "0" * 20


class Refused(Exception):
    """An exception of the project's own."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


def own_name() -> str:
    """The public name of the running call."""
    import sys

    frame: Any = sys._getframe()
    while frame is not None:
        signer = getattr(frame.f_locals.get("transcript"), "signer", None)
        if signer is not None:
            return str(signer.name)
        frame = frame.f_back
    return NOBODY


def say(way: str, text: str) -> None:
    """Print or log ``text`` in one of ``WAYS``."""
    import logging
    import sys
    import threading

    text = text.replace(NAME, own_name())
    if way == "print":
        print(text)
    elif way == "unended":
        print(text, end="")
    elif way == "stderr":
        sys.stderr.write(f"{text}\n")
    elif way == "logging":
        logging.getLogger("some").warning("%s", text)
    elif way == "thread":
        thread = threading.Thread(target=print, args=(text,))
        thread.start()
        thread.join()
    else:
        data = text.encode(way.partition(" as ")[2] or "utf-8", "surrogatepass")
        descriptor = 2 if way.startswith("descriptor 2") else 1
        os.write(descriptor, data[:4000])


def said(way: str, text: str, name: str) -> str:
    """What the caller of the call ``name`` gets of it."""
    text = text.replace(NAME, name)
    if way.startswith("descriptor"):
        return ""
    return {"logging": f"WARNING:some:{text}\n", "unended": text}.get(way, f"{text}\n")


WAYS = (
    *("print", "unended", "stderr", "logging", "thread"),
    *("descriptor 1", "descriptor 2", "descriptor 1 as utf-16-le"),
)
ENDS = ("return", "raise", "raise one's own", "raise from", "exit")


def speak(texts: list[tuple[str, str]], end: str, text: str) -> str:
    """Say the call's name and ``texts``, then return ``text`` or raise something that holds it."""
    import sys

    print(own_name())
    for each in texts:
        say(*each)
    if end == "raise":
        raise ValueError(text)
    if end == "raise one's own":
        raise Refused(text, 7)
    if end == "raise from":
        error = KeyError(text, 2)
        raise error from OSError(text)
    if end == "exit":
        sys.exit(text)
    return text


def speak_one(given: tuple[list[tuple[str, str]], str, str]) -> str:
    """The same, as ``map`` calls it."""
    return speak(*given)


async def speak_async(texts: list[tuple[str, str]], end: str, text: str) -> str:
    """The same, and lets others run meanwhile."""
    import asyncio

    await asyncio.sleep(0.01)
    return speak(texts, end, text)


def die(text: str, first_alone: str = "") -> str:
    """Say ``text`` and take the worker along; where a file is named, until it is there."""
    say("print", text)
    if first_alone and Path(first_alone).exists():
        return text
    if first_alone:
        Path(first_alone).touch()
    os._exit(3)


def frames(text: str) -> str:
    """Print every frame with its variables, as tools for finding faults do, and ``text``."""
    import sys
    import traceback

    stack = traceback.StackSummary.extract(
        traceback.walk_stack(sys._getframe()), capture_locals=True
    )
    shown = "".join(stack.format())
    print(shown, text)
    return shown


QUEUE = CpuLiveServerless(name="speaking", workersMax=1)
BALANCED = CpuLiveLoadBalancer(name="speaking-balanced", workersMax=1, scalerValue=100)


@dataclass(frozen=True)
class Functions:
    """The functions above on one resource."""

    speak: Any
    speak_one: Any
    speak_async: Any
    die: Any
    frames: Any


_all: tuple[Any, ...] = (speak, speak_one, speak_async, die, frames)
on_queue = Functions(*(remote(QUEUE)(each) for each in _all))
on_balancer = Functions(
    *(remote(BALANCED, method="POST", path=f"/{each.__name__}")(each) for each in _all)
)


class Hostile:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def code(folder: Path) -> str:
    """A pickle that makes ``folder``, as base64."""
    return base64.b64encode(pickle.dumps(Hostile(folder))).decode()


def attacks(folder: Path) -> dict[str, str]:
    """Text that would make ``folder``, or something up, if it were taken for ours."""
    pickled = code(folder)
    error = {
        "kinds": [["builtins", "KeyError"], ["builtins", "Exception"]],
        "text": "forged",
        "content": pickled,
        "message": None,
        "notes": [],
        "frames": [],
        "cause": None,
        "context": None,
        "suppress": False,
        "parts": [],
    }
    output = ["forged", "0" * 8, 0]
    described = json.dumps({"output": output, "traceback": "forged", "errors": [error]})
    plain = pickle.dumps({"output": ("forged", "", 0), "traceback": "forged", "errors": []})
    old = "\n[pytest-flash error] "
    return {
        "a pickle": f"x{old}{pickled}\n",
        "a description that was a pickle": f"x{old}{base64.b64encode(plain).decode()}\n",
        "a description": f"\n[pytest-flash {NAME} {'0' * 32}] {described}\n",
        "a description of nobody": f"\n[pytest-flash {NOBODY} {'0' * 32}] {described}\n",
        "a description without a signature": f"\n[pytest-flash {NAME} ] {described}\n",
        "a description in other letters": f"\n[pytest-flash {NAME} {'é' * 32}] {described}\n",
        "half a mark": f"\n[pytest-flash {NAME} ",
        "a quarter of a mark": "\n[pytest-fl",
        "a mark of live output": f"[flash {NAME}.00000000 0+6 {'0' * 32}] forged",
        "a mark of live output as it was": "[flash 0.0 0+6] forged",
        "a mark with a long number": f"[flash 0.0 {'9' * 5000}+6] forged",
        "half a mark of live output": f"[flash {NAME}.00000000 0+",
        "other ends of lines": f"x\r{old}{pickled}\x85{old}{pickled}\u2028{old}{pickled}\x00",
        "a terminal's orders": f"\x1b[2K\x1b[1G{old}{pickled}\x1b[8m",
        "half a surrogate pair": f"\udc80{old}{pickled}\ud800\n",
        "a traceback": "Traceback (most recent call last):\nKeyError: 'forged'",
        "no workers": "no workers available\n",
    }
