"""Functions, classes, and what the language has."""

from __future__ import annotations

from tests.functions.travelling import HEAD, Case, remote

CASES: dict[str, Case] = {
    "subclasses": Case(
        remote(
            "return [each.__name__ for each in Base.__subclasses__()]",
            "class Base:\n    pass",
            "class Derived(Base):\n    pass",
        ),
        ["Derived"],
        (1,),
    ),
    "functools.partial": Case(
        remote(
            "return add(x)",
            "import functools",
            "def plus(a, b):\n    return a + b",
            "add = functools.partial(plus, 3)",
        ),
        5,
        (2,),
    ),
    "functools.cache": Case(
        remote(
            "return fib(x)",
            "import functools",
            "@functools.cache\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)",
        ),
        55,
        (10,),
    ),
    "lambda in a constant": Case(remote("return KEY(x)", "KEY = lambda x: -x"), -2, (2,)),
    "default argument of a helper": Case(
        remote(
            "return h(x)",
            "BASE = 10",
            "def h(x, base=BASE, *, deep=[1]):\n    return x + base + deep[0]",
        ),
        13,
        (2,),
    ),
    "mutual recursion": Case(
        remote(
            "return even(x)",
            "def even(n):\n    return n == 0 or odd(n - 1)",
            "def odd(n):\n    return n != 0 and even(n - 1)",
        ),
        True,
        (4,),
    ),
    "recursion of the function itself": Case(
        remote("return 1 if x < 2 else x * f(x - 1)"), 24, (4,)
    ),
    "recursion of an async function": Case(
        "@remote(gpu)\nasync def f(x):\n    return 1 if x < 2 else x * await f(x - 1)\n", 24, (4,)
    ),
    "closure": Case(
        "def make(k):\n    @remote(gpu)\n    def f(x):\n        return x * k + K\n    return f\n"
        "K = 1\nf = make(3)\n",
        7,
        (2,),
    ),
    "closure over a function": Case(
        "def make(k):\n    def times(x):\n        return x * k\n    @remote(gpu)\n"
        "    def f(x):\n        return times(x) + 1\n    return f\nf = make(3)\n",
        7,
        (2,),
    ),
    "closure over itself": Case(
        "def make():\n    def down(n):\n        return 0 if n == 0 else down(n - 1)\n"
        "    @remote(gpu)\n    def f(x):\n        return down(x)\n    return f\nf = make()\n",
        0,
        (5,),
    ),
    "closure over a class": Case(
        "def make():\n    class Box:\n        def __init__(self, x):\n            self.x = x\n"
        "    @remote(gpu)\n    def f(x):\n        return Box(x).x\n    return f\nf = make()\n",
        5,
        (5,),
    ),
    "closure over a module": Case(
        "def make():\n    import math, util\n    @remote(gpu)\n    def f(x):\n"
        "        return math.floor(util.half(x))\n    return f\nf = make()\n",
        1,
        (3,),
        {"util.py": "def half(x):\n    return x / 2\n"},
    ),
    "async closure": Case(
        "def make(k):\n    @remote(gpu)\n    async def f(x):\n        return x * k\n    return f\n"
        "f = make(3)\n",
        6,
        (2,),
    ),
    "lambda": Case("K = 4\nf = remote(gpu)(lambda x: x + K)\n", 6, (2,)),
    "remote by a call": Case("def plain(x):\n    return -x\nf = remote(gpu)(plain)\n", -2, (2,)),
    "decorator with arguments": Case(
        "import functools\ndef times(n):\n    def wrap(g):\n        @functools.wraps(g)\n"
        "        def call(*a):\n            return g(*a) * n\n        return call\n"
        "    return wrap\n"
        "@remote(gpu)\n@times(5)\ndef f(x):\n    return x\n",
        10,
        (2,),
    ),
    "static method": Case(
        "class Tools:\n    K = 3\n    @staticmethod\n    @remote(gpu)\n    def f(x):\n"
        "        return x * Tools.K\nf = Tools.f\n",
        6,
        (2,),
    ),
    "names that shadow built-ins": Case(
        remote("return list(x), max", "def list(x):\n    return [x, 'mine']", "max = 7"),
        ([2, "mine"], 7),
        (2,),
    ),
    "unicode": Case(
        remote("return größe + x + ключ('ß')", "größe = 'ä€😀'", "def ключ(s):\n    return s"),
        "ä€😀zß",
        ("z",),
    ),
    "windows line ends": Case(
        remote("return x * K", "K = 2").replace("\n", "\r\n"),
        4,
        (2,),
        head=HEAD.replace("\n", "\r\n"),
    ),
    "form feeds and tabs": Case(
        "\x0c\nK = 2\n\x0c\n@remote(gpu)\ndef f(x):\n\treturn x * K\n", 4, (2,)
    ),
    "another encoding": Case("# -*- coding: utf-8 -*-\n" + remote("return 'é' + x"), "éa", ("a",)),
    "future annotations": Case(
        remote(
            "return D(x).x",
            "from dataclasses import dataclass",
            "@dataclass\nclass D:\n    x: Later\n    n: int = 0",
        ),
        2,
        (2,),
        head="from __future__ import annotations\n" + HEAD,
    ),
    "match statement": Case(
        remote(
            "match x:\n    case {'k': int(n)}:\n        return n\n    case _:\n        return None"
        ),
        3,
        ({"k": 3},),
    ),
    "walrus, f-string, star": Case(
        remote("*head, last = x\nreturn f'{(n := len(head))}{last!r:>4}{n=}'"),
        "2   3n=2",
        ([1, 2, 3],),
    ),
    "comprehension over a constant": Case(
        remote("return [y * K for y in x if y in ALLOWED]", "K = 2", "ALLOWED = frozenset({1, 3})"),
        [2, 6],
        ([1, 2, 3],),
    ),
    "class with inheritance and super": Case(
        remote(
            "return B(x).total()",
            "class A:\n    def __init__(self, x):\n        self.x = x",
            "class B(A):\n    def __init__(self, x):\n        super().__init__(x + 1)\n"
            "    def total(self):\n        return self.x",
        ),
        3,
        (2,),
    ),
    "abstract class and protocol": Case(
        remote(
            "return Impl().go(x)",
            "import abc",
            "from typing import Protocol",
            "class Goes(Protocol):\n    def go(self, x): ...",
            "class Base(abc.ABC):\n    @abc.abstractmethod\n    def go(self, x): ...",
            "class Impl(Base):\n    def go(self, x):\n        return x + 1",
        ),
        3,
        (2,),
    ),
    "type variable and generic": Case(
        remote(
            "return Box[int](x).x",
            "from typing import Generic, TypeVar",
            "T = TypeVar('T')",
            "class Box(Generic[T]):\n    def __init__(self, x):\n        self.x = x",
        ),
        2,
        (2,),
    ),
    "context manager": Case(
        remote(
            "with opened(x) as y:\n    return y",
            "import contextlib",
            "@contextlib.contextmanager\ndef opened(x):\n    yield x + 1",
        ),
        3,
        (2,),
    ),
    "logger": Case(
        remote(
            "log.debug('said'); return log.name == __name__",
            "import logging",
            "log = logging.getLogger(__name__)",
        ),
        True,
        (1,),
    ),
    "context variable": Case(
        remote(
            "current.set(x)\nreturn current.get()",
            "import contextvars",
            "current = contextvars.ContextVar('current', default=0)",
        ),
        2,
        (2,),
    ),
    "generator used inside": Case(
        remote("return sum(numbers(x))", "def numbers(n):\n    yield from range(n)"), 3, (3,)
    ),
    "another remote function": Case(
        "@remote(gpu)\ndef inner(x):\n    return x + 1\n"
        "@remote(gpu)\nasync def f(x):\n    import asyncio\n"
        "    return await asyncio.gather(*[inner(i) for i in range(x)])\n",
        [1, 2, 3],
        (3,),
    ),
    "annotations of built-in types": Case(
        remote(
            "return str(inspect.signature(h))",
            "import inspect",
            "def h(a: int, *b: list[str] | None, c: fastapi.Request = 1) -> 'Later':\n    pass",
        ),
        "(a: int, *b: list[str] | None, c=1) -> 'Later'",
        (1,),
    ),
    "inspect.getsource": Case(
        remote("return inspect.getsource(h)", "import inspect", "def h():\n    return 'here'"),
        "def h():\n    return 'here'\n",
        (1,),
    ),
    "pickling within the function": Case(
        remote(
            "return pickle.loads(pickle.dumps(D(x))).x",
            "import pickle",
            "from dataclasses import dataclass",
            "@dataclass\nclass D:\n    x: int",
        ),
        2,
        (2,),
    ),
    "mixed return types": Case(
        remote("return {'a': (1, {2}), b'k': None, 1.5: [x]}"),
        {"a": (1, {2}), b"k": None, 1.5: [2]},
        (2,),
    ),
}
