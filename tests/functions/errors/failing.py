"""Functions that fail: what each raises at its caller; each for every worker.

``f`` is the remote function of ``main.py`` in each project. ``line`` is the text of the line that
the last frame of the printed traceback must show, in ``file``.
"""

from __future__ import annotations

import urllib.error
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tests.functions.travelling import remote


@dataclass(frozen=True)
class Failure:
    """The source of ``main.py`` below ``HEAD``, and what its caller gets."""

    main: str
    raises: str
    message: str
    line: str
    args: tuple[Any, ...] = (1,)
    files: dict[str, str] = field(default_factory=dict)
    file: str = "main.py"
    remote: bool = True


def raised(what: str, raises: str, message: str, *before: str, **more: Any) -> Failure:
    """A function whose one line is ``what``."""
    return Failure(remote(what, *before), raises, message, what.splitlines()[-1].strip(), **more)


_OWN = """\
class Own(Exception):
    def __init__(self, code, *, hint):
        super().__init__(code)
        self.code, self.hint = code, hint"""

CASES: dict[str, Failure] = {
    "value error": raised("raise ValueError('no')", "ValueError", "no"),
    "no message": raised("raise ValueError", "ValueError", ""),
    "several arguments": raised("raise ValueError('a', 2)", "ValueError", "('a', 2)"),
    "key error": raised("return {}['k']", "KeyError", "'k'"),
    "index error": raised("return [][1]", "IndexError", "list index out of range"),
    "attribute error": raised("return x.nope", "AttributeError", "no attribute 'nope'"),
    "name error": raised("return nope", "NameError", "name 'nope' is not defined"),
    "type error": raised("return x + 'a'", "TypeError", "unsupported operand"),
    "zero division": raised("return 1 / (x - 1)", "ZeroDivisionError", "division by zero"),
    "assertion": raised("assert x == 2, 'not two'", "AssertionError", "not two"),
    "os error with its number": raised(
        "raise OSError(28, 'full', '/data')", "OSError", "[Errno 28] full: '/data'"
    ),
    "file not found": raised(
        "return open('/no/such/file')", "FileNotFoundError", "[Errno 2] No such file"
    ),
    "unicode decode error": raised(
        "return b'\\xff'.decode()", "UnicodeDecodeError", "can't decode byte 0xff"
    ),
    "overflow": raised("return 2.0 ** 10000", "OverflowError", "out of range"),
    "recursion": raised(
        "return h(x)", "RecursionError", "maximum recursion depth", "def h(x):\n    return h(x)"
    ),
    "memory": raised("raise MemoryError('big')", "MemoryError", "big"),
    "timeout": raised("raise TimeoutError('slow')", "TimeoutError", "slow"),
    "stop iteration": raised("return next(iter([]))", "JobFailedError", "StopIteration"),
    "system exit": raised("import sys; sys.exit(3)", "JobFailedError", "SystemExit: 3"),
    "keyboard interrupt": raised("raise KeyboardInterrupt", "JobFailedError", "KeyboardInterrupt"),
    "not implemented": raised("raise NotImplementedError('later')", "NotImplementedError", "later"),
    "base exception of one's own": raised(
        "raise Mine('m')", "Mine", "m", "class Mine(ValueError): pass", remote=False
    ),
    "exception with a constructor of its own": raised(
        "raise Own(7, hint='h')", "Own", "7", _OWN, remote=False
    ),
    "exception that nobody may change": raised(
        "raise Frozen('z', 7)",
        "Frozen",
        "('z', 7)",
        "import dataclasses",
        "@dataclasses.dataclass(frozen=True)\nclass Frozen(Exception):\n"
        "    name: str\n    code: int",
        remote=False,
    ),
    "exception that holds what cannot be pickled": raised(
        "raise Held('held', threading.Lock())",
        "Held",
        "held",
        "import threading",
        "class Held(Exception):\n    def __init__(self, text, lock):\n"
        "        super().__init__(text)\n        self.lock = lock",
        remote=False,
    ),
    "exception made of what cannot be pickled": raised(
        "raise Made(threading.Lock())",
        "Made",
        "unlocked",
        "import threading\nclass Made(Exception): pass",
        remote=False,
    ),
    "exception with an output of its own": raised(
        "raise subprocess.CalledProcessError(1, ['false'])",
        "CalledProcessError",
        "returned non-zero exit status 1",
        "import subprocess",
        remote=False,
    ),
    "cancelled error of its own making": raised(
        "raise asyncio.CancelledError('mine')",
        "JobFailedError",
        "CancelledError: mine",
        "import asyncio",
    ),
    "cancelled error in an async function": Failure(
        "import asyncio\n@remote(gpu)\nasync def f(x):\n    raise asyncio.CancelledError('mine')\n",
        "JobFailedError",
        "CancelledError: mine",
        "raise asyncio.CancelledError('mine')",
    ),
    "printed what looks like ours": raised(
        "print('a\\n[pytest-flash error] AAAA')\nraise ValueError('v')", "ValueError", "v"
    ),
    "exception of a module": raised(
        "raise errors.Bad('b')",
        "Bad",
        "b",
        "import errors",
        files={"errors.py": "class Bad(LookupError): pass\n"},
        remote=False,
    ),
    "exception defined in the function": raised(
        "class Inner(KeyError): pass\nraise Inner('i')", "Inner", "'i'"
    ),
    "exception of a package": raised(
        "raise json.JSONDecodeError('bad', 'doc', 1)",
        "JSONDecodeError",
        "bad: line 1",
        "import json",
        remote=False,
    ),
    "raised in a helper": Failure(
        remote("return h(x)", "def h(x):\n    y = x\n    return 1 / (y - 1)"),
        "ZeroDivisionError",
        "division by zero",
        "return 1 / (y - 1)",
    ),
    "raised in a module of the project": Failure(
        remote("return util.h(x)", "import util"),
        "ZeroDivisionError",
        "division by zero",
        "return 1 / (x - 1)",
        files={"util.py": "# a line\n\n\ndef h(x):\n    return 1 / (x - 1)\n"},
        file="util.py",
    ),
    "raised while a module is imported": Failure(
        remote("import util\nreturn util.K"),
        "RuntimeError",
        "not today",
        "raise RuntimeError('not today')",
        files={"util.py": "K = 1\nraise RuntimeError('not today')\n"},
        file="util.py",
    ),
    "raised in an async function": Failure(
        "async def h(x):\n    return {}[x]\n@remote(gpu)\nasync def f(x):\n    return await h(x)\n",
        "KeyError",
        "1",
        "return {}[x]",
    ),
    "raised in another remote function": Failure(
        "@remote(gpu)\ndef inner(x):\n    return {}[x]\n"
        "@remote(gpu)\nasync def f(x):\n    return await inner(x)\n",
        "KeyError",
        "1",
        "return {}[x]",
    ),
    "raised in a closure": Failure(
        "def make(k):\n    @remote(gpu)\n    def f(x):\n        return {}[k]\n"
        "    return f\nf = make('k')\n",
        "KeyError",
        "'k'",
        "return {}[k]",
    ),
    "raised in a lambda": Failure(
        "f = remote(gpu)(lambda x: {}[x])\n", "KeyError", "1", "f = remote(gpu)(lambda x: {}[x])"
    ),
    "raise from": Failure(
        remote("try:\n    {}[x]\nexcept KeyError as error:\n    raise ValueError('v') from error"),
        "ValueError",
        "v",
        "raise ValueError('v') from error",
    ),
    "raised while handling": Failure(
        remote("try:\n    {}[x]\nexcept KeyError:\n    raise ValueError('v')"),
        "ValueError",
        "v",
        "raise ValueError('v')",
    ),
    "arguments that do not fit": Failure(
        remote("return x"),
        "TypeError",
        "f() missing 1 required positional argument: 'x'",
        "",
        args=(),
    ),
    "arguments with a wrong name": Failure(
        remote("return x"),
        "TypeError",
        "f() takes 1 positional argument but 2 were given",
        "",
        args=(1, 2),
    ),
    "what cannot be unpickled there": Failure(
        remote("return x"),
        "TypeError",
        "an argument of f cannot be unpickled on the worker: TypeError: ContentTooShortError",
        "",
        # Its constructor takes more than what it keeps as its own arguments.
        args=(urllib.error.ContentTooShortError("short", ("", Message())),),
    ),
    "a generator as the result": Failure(
        remote("return (y for y in [x])"),
        "TypeError",
        "f returned a generator, which cannot be sent back",
        "",
    ),
    "a large result": Failure(
        remote("return b'x' * 15_100_000"), "JobFailedError", "f returned 20.1 MB as sent", ""
    ),
    "a coroutine as the result": Failure(
        remote("return h()", "async def h(): pass"), "TypeError", "await it in f, defined with", ""
    ),
    "a lock as the result": Failure(
        remote("import threading\nreturn threading.Lock()"),
        "TypeError",
        "f returned a lock, which",
        "",
    ),
    "a module that is missing": raised(
        "import no_such_module_at_all",
        "ModuleNotFoundError",
        "add dependencies=['no_such_module_at_all']",
    ),
    "an undeclared package of a module, touched": Failure(
        remote("return util.client()", "import util"),
        "ModuleNotFoundError",
        "add dependencies=['httpx']",
        "return httpx.Client()",
        files={"util.py": "import httpx\ndef client():\n    return httpx.Client()\n"},
        file="util.py",
    ),
    "a str that raises": raised(
        "raise Rude()",
        "Rude",
        "",
        "class Rude(Exception):\n    def __str__(self):\n        return 1 / 0",
        remote=False,
    ),
}


# Refused before anything is sent: the source, and what the message says.
REFUSED: dict[str, tuple[str, str]] = {
    "an open file": (
        remote("return LOG.write(x)", "LOG = open('/dev/null', 'w')"),
        "LOG, a _io.TextIOWrapper, which cannot travel",
    ),
    "a lock": (
        remote("with LOCK:\n    return x", "import threading", "LOCK = threading.Lock()"),
        "LOCK, a _thread.lock, which cannot travel",
    ),
    "a client": (
        remote("return CLIENT.get(x)", "import httpx", "CLIENT = httpx.Client()"),
        "imports httpx, and the worker has only what is declared: add dependencies=['httpx']",
    ),
    "a client of a declared package": (
        "import httpx\nCLIENT = httpx.Client()\n"
        "@remote(gpu, dependencies=['httpx'])\ndef f(x):\n    return CLIENT.get(x)\n",
        "CLIENT, a httpx.Client, which cannot travel",
    ),
    "a database connection": (
        remote("return DB.execute(x)", "import sqlite3", "DB = sqlite3.connect(':memory:')"),
        "DB, a sqlite3.Connection, which cannot travel",
    ),
    "a generator": (
        remote("return next(NUMBERS)", "NUMBERS = (n for n in [1])"),
        "NUMBERS, a builtins.generator, which cannot travel",
    ),
    "the app": (remote("return app.routes"), "imports fastapi, and the worker has only"),
    "an undeclared package": (
        remote("return httpx.URL(x)", "import httpx"),
        "dependencies=['httpx']",
    ),
    "an undeclared package inside": (
        remote("import httpx\nreturn httpx.URL(x)"),
        "dependencies=['httpx']",
    ),
    "a closure over a lock": (
        "import threading\ndef make():\n    lock = threading.Lock()\n    @remote(gpu)\n"
        "    def f(x):\n        with lock:\n            return x\n    return f\nf = make()\n",
        "the local variable 'lock', a lock, of f cannot be sent",
    ),
    "the key in the source": (
        remote("return KEY", "KEY = str('the-users-own-runpod-key')"),
        "KEY (main, line 6), which f uses, contains the Runpod API key",
    ),
    "the key in a closure": (
        "def make(key):\n    @remote(gpu)\n    def f(x):\n        return key\n    return f\n"
        "f = make(''.join(['the-users-own', '-runpod-key']))\n",
        "the local variable 'key' of f contains the Runpod API key",
    ),
    "the key in a value": (
        remote(
            "return CONFIG",
            "CONFIG = {'k': ['the-users-own', '-runpod-key']}",
            "CONFIG['k'] = ''.join(CONFIG['k'])",
        ),
        "CONFIG (main, line 6), which f uses, contains the Runpod API key",
    ),
    "a lock as an argument": (remote("return x"), "argument 'x', a lock, of f cannot be sent"),
}
