"""Functions and classes to call, as FunctionRequests."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

import cloudpickle


def encode(value: object) -> str:
    return base64.b64encode(cloudpickle.dumps(value)).decode()


@dataclass(frozen=True)
class Call:
    """One request. ``differs``: ``error`` where it is compared no further than its first colon."""

    name: str
    request: dict[str, Any]
    differs: frozenset[str] = field(default_factory=frozenset)


def function(name: str, code: str, *args: object, **fields: Any) -> Call:
    """A call of the function ``f``; ``kwargs`` are values, other fields go as they are."""
    kwargs = {key: encode(value) for key, value in fields.pop("kwargs", {}).items()}
    differs = frozenset(fields.pop("differs", ()))
    request = {
        "function_name": "f",
        "function_code": dedent(code),
        "args": [encode(value) for value in args],
        "kwargs": kwargs,
        **fields,
    }
    return Call(name, request, differs)


COUNTER = dedent(
    """
    import logging

    class Counter:
        made = 0

        def __init__(self, start=0, *, step=1):
            if step == 0:
                raise ValueError("no step")
            Counter.made += 1
            self.value, self.step = start, step
            print("made", self.value)

        def add(self, times=1):
            self.value += times * self.step
            return self.value

        async def later(self):
            logging.info("later")
            return "later"

        def __call__(self):
            return Counter.made

        def broken(self):
            raise KeyError("gone")
    """
)


def method(name: str, **fields: Any) -> Call:
    """A call of a method of ``Counter``; ``args`` and constructor arguments are values."""
    request: dict[str, Any] = {
        "execution_type": "class",
        "class_name": "Counter",
        "class_code": COUNTER,
    }
    for key in ("args", "constructor_args"):
        request[key] = [encode(value) for value in fields.pop(key, ())]
    for key in ("kwargs", "constructor_kwargs"):
        request[key] = {one: encode(value) for one, value in fields.pop(key, {}).items()}
    return Call(name, {**request, **fields})


ECHO = "def f(value): return value"
VALUES: list[tuple[str, object]] = [
    ("none", None),
    ("true", True),
    ("integer", 2**70),
    ("float", 0.1),
    ("infinity", float("inf")),
    ("complex", 1 + 2j),
    ("empty text", ""),
    ("text", "ünï 😀 \0"),
    ("half a surrogate pair", "\ud800"),
    ("bytes", bytes(range(256))),
    ("nested", {"a": [1, (2, {3, 4}), None], (1, 2): b""}),
    ("large", "x" * 1_000_000),
    ("error key", {"error": "not one", "success": False}),
    ("exception", ValueError("returned, not raised")),
]

CALLS = [
    *(function(f"echo of {name}", ECHO, value) for name, value in VALUES),
    function("keywords", "def f(a, *, b=2): return a - b", 5, kwargs={"b": 3}),
    function("defaults", "def f(a=1, b=[2]): return a, b"),
    function("any arguments", "def f(*a, **k): return a, k", 1, 2, kwargs={"x": 3}),
    function("no result", "def f(): pass"),
    function("a coroutine function", "async def f(x): return x * 2", 21),
    function(
        "one that sleeps",
        "import asyncio\nasync def f():\n  await asyncio.sleep(0.01)\n  return 'slept'",
    ),
    function("a lambda", "f = lambda x: x + 1", 1),
    function("a callable object", "class C:\n  def __call__(self): return 'called'\nf = C()"),
    function("a partial", "import functools\nf = functools.partial(pow, 2)", 10),
    function("recursion", "def f(n): return 1 if n < 2 else n * f(n - 1)", 30),
    function("a helper", "def g(): return 3\ndef f(): return g()"),
    function("a function as argument", "def f(g): return g(2)", lambda x: x + 40),
    function("its own name", "def f(): return f.__name__, f.__module__, __name__"),
    function("a class of its own", "class P:\n  x = 1\ndef f(): return P().x, isinstance(P(), P)"),
    function("a generator", "def f():\n  print('begun')\n  yield 1"),
    function("an async generator", "async def f():\n  yield 1"),
    function("a lock", "import threading\ndef f(): return threading.Lock()"),
    function(
        "one that cannot be pickled",
        "class C:\n  def __reduce__(self): raise TypeError('not me')\ndef f(): return C()",
    ),
    function("an exception", "def f():\n  print('before')\n  raise ValueError('oh no')"),
    function("an exception without text", "def f(): raise RuntimeError"),
    function(
        "an exception with a cause",
        """
        def f():
            try:
                1 / 0
            except ArithmeticError as error:
                raise KeyError("k") from error
        """,
    ),
    function("an exception of its own", "class E(Exception): pass\ndef f(): raise E('mine', 2)"),
    function(
        "an exception amid awaits",
        """
        import asyncio

        async def f():
            await asyncio.sleep(0)
            raise OSError(2, "two")
        """,
    ),
    function("an assertion", "def f(): assert 1 == 2, 'no'"),
    function("a group of lines in its text", "def f(): raise ValueError('one\\ntwo')"),
    function("too deep", "def f(): return f()", differs=["error"]),
    function(
        "prints",
        """
        import sys

        def f():
            print("out")
            print("err", file=sys.stderr)
            print("more", end="")
        """,
    ),
    function("prints without success", "def f():\n  print('said'); return missing"),
    function(
        "logs",
        """
        import logging

        def f():
            logging.info("in %d", 1)
            logging.debug("no")
            logging.getLogger("a").error("er")
            print("p")
        """,
    ),
    function(
        "logs and raises",
        """
        import logging

        def f():
            logging.warning("w")
            raise ValueError("v")
        """,
    ),
    function("logs only", "import logging\ndef f(): logging.critical('c')"),
    function("prints at its definition", "print('top')\ndef f(): print('in')"),
    function("a missing name", "def g(): pass"),
    function("a missing name after logs", "import logging\nlogging.error('l')\nprint('p')"),
    function("no function at all", "pass"),
    function("a name that is no function", "f = None"),
    function("source that is none", "def f(: pass"),
    function("source that raises", "raise ValueError('at import')\ndef f(): pass"),
    function("a missing module", "import no_such_module\ndef f(): pass"),
    function("a missing module in the call", "def f():\n  import no_such_module"),
    function("an argument too many", "def f(): pass", 1),
    function("an argument too few", "def f(a): pass"),
    function("an argument that is no pickle", ECHO, args=["bm90IGEgcGlja2xl"]),
    function("an argument of a missing module", ECHO, args=["Y25vX3N1Y2hfbW9kdWxlClgKLg=="]),
    function("fields that nobody knows", ECHO, 1, modules={"a.py": "x = 1"}, later="field"),
    function("an argument that is a number", ECHO, args=[5], differs=["error"]),
    function("no name", "def f(): pass", function_name=None, differs=["error"]),
    function("no dependencies", ECHO, 1, dependencies=[]),
    function(
        "a dependency that is there",
        "import cloudpickle\ndef f(): return cloudpickle.__name__",
        dependencies=["cloudpickle"],
    ),
    method("a method", method_name="add", args=[2], instance_id="Counter_1"),
    method("constructor arguments", method_name="add", constructor_args=[10]),
    method("constructor keywords", method_name="add", constructor_kwargs={"step": 5}),
    method("its call"),
    method("an async method", method_name="later"),
    method("an attribute as method", method_name="made"),
    method("a missing method", method_name="vanish"),
    method("a missing class", class_name="Nothing"),
    method("a constructor that raises", constructor_kwargs={"step": 0}),
    method("a constructor that is called wrongly", constructor_args=[1, 2, 3]),
    method("a method that raises", method_name="broken"),
    *(
        method(name, method_name="add", instance_id="one", create_new_instance=False)
        for name in ("an instance that is to exist", "an instance that would exist")
    ),
    Call(
        "no class name",
        {"execution_type": "class", "class_code": COUNTER},
        differs=frozenset({"error"}),
    ),
]
