"""``python -m pytest_flash.emulator``: what ``flash emulator`` does, for programs.

Options: ``--host``, ``--port``, ``--api-key``, ``--project``, ``--json``, ``--quiet``,
``--lifeline-fd N`` (end when descriptor N reaches its end), ``--key-fd N`` (read the key from
descriptor N, up to its end) and ``--listener-fd N`` (serve at the socket that is bound there). A
key in FLASH_EMULATOR_KEY is used where neither is given: an argument can be read by every user of
the machine.
"""

from __future__ import annotations

import getopt
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import FlashError
from .startup.config import load_config
from .terminal import serve

_OPTIONS = [
    "host=",
    "port=",
    "api-key=",
    "project=",
    "json",
    "quiet",
    "lifeline-fd=",
    "key-fd=",
    "listener-fd=",
]


def main(arguments: Sequence[str]) -> int:
    """Serve as ``arguments`` say; the exit code is 2 for bad ones and 1 for other errors."""
    try:
        pairs, rest = getopt.getopt(list(arguments), "", _OPTIONS)
        options = dict(pairs)
        port = int(options.get("--port", "0"))
        lifeline = int(options["--lifeline-fd"]) if "--lifeline-fd" in options else None
        listener = int(options["--listener-fd"]) if "--listener-fd" in options else None
        key = options.get("--api-key")
        if "--key-fd" in options:
            key = _read(int(options["--key-fd"]))
    except (getopt.GetoptError, ValueError, OSError) as error:
        return _fail(str(error), 2)
    if rest:
        return _fail(f"unexpected argument {rest[0]!r}", 2)
    try:
        config = load_config(
            Path(options.get("--project", ".")),
            host=options.get("--host", "127.0.0.1"),
            port=port,
            api_key=key,
        )
        serve(
            config,
            as_json="--json" in options,
            quiet="--quiet" in options,
            lifeline=lifeline,
            listener=listener,
        )
    except FlashError as error:
        return _fail(str(error), 1)
    return 0


def _read(descriptor: int) -> str:
    """Raises OSError, and ValueError for what is not text."""
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read().decode()


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
