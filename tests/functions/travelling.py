"""Functions that travel: project files, a call, and its result; each for every worker.

``f`` is the remote function of ``main.py`` in each project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEAD = """\
from pytest_flash import LiveServerless, remote
import fastapi

gpu = LiveServerless(name="gpu")
app = fastapi.FastAPI()
"""


@dataclass(frozen=True)
class Case:
    """The source of ``main.py`` below ``HEAD``, other files, arguments, and the result."""

    main: str
    result: Any
    args: tuple[Any, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    head: str = HEAD


def remote(body: str, *before: str) -> str:
    """``before``, then a remote function ``f(x)`` with this body, indented here."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return "\n".join([*before, "@remote(gpu)", "def f(x):", lines, ""])


CASES: dict[str, Case] = {
    "sibling module": Case(
        remote("return twice(x)", "from util import twice"),
        4,
        (2,),
        {"util.py": "def twice(x):\n    return 2 * x\n"},
    ),
    "sibling module that imports another": Case(
        remote("return util.f(x)", "import util"),
        5,
        (2,),
        {
            "util.py": "import deep\ndef f(x):\n    return deep.add(x)\n",
            "deep.py": "K = 3\ndef add(x):\n    return x + K\n",
        },
    ),
    "package": Case(
        remote("return area(x)", "from shapes.square import area"),
        9,
        (3,),
        {"shapes/__init__.py": "", "shapes/square.py": "def area(x):\n    return x * x\n"},
    ),
    "package whose __init__ has the name": Case(
        remote("return area(x)", "from shapes import area"),
        9,
        (3,),
        {
            "shapes/__init__.py": "from .square import area\n",
            "shapes/square.py": "def area(x):\n    return x * x\n",
        },
    ),
    "namespace package": Case(
        remote("return area(x)", "from shapes.square import area"),
        9,
        (3,),
        {"shapes/square.py": "def area(x):\n    return x * x\n"},
    ),
    "import a.b as c": Case(
        remote("return sq.area(x)", "import shapes.square as sq"),
        9,
        (3,),
        {"shapes/__init__.py": "", "shapes/square.py": "def area(x):\n    return x * x\n"},
    ),
    "import a.b": Case(
        remote("return shapes.square.area(x)", "import shapes.square"),
        9,
        (3,),
        {"shapes/__init__.py": "", "shapes/square.py": "def area(x):\n    return x * x\n"},
    ),
    "from package import module": Case(
        remote("return square.area(x)", "from shapes import square"),
        9,
        (3,),
        {"shapes/__init__.py": "", "shapes/square.py": "def area(x):\n    return x * x\n"},
    ),
    "from . import x": Case(
        "from app.work import f\n",
        9,
        (3,),
        {
            "app/__init__.py": "",
            "app/square.py": "def area(x):\n    return x * x\n",
            "app/work.py": HEAD + remote("return square.area(x)", "from . import square"),
        },
    ),
    "from .. import x": Case(
        "from app.jobs.work import f\n",
        9,
        (3,),
        {
            "app/__init__.py": "",
            "app/square.py": "def area(x):\n    return x * x\n",
            "app/jobs/__init__.py": "",
            "app/jobs/work.py": HEAD + remote("return area(x)", "from ..square import area"),
        },
    ),
    "relative imports of imported modules": Case(
        remote("return a.f(x)", "from pkg import a"),
        6,
        (3,),
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "from .b import g\ndef f(x):\n    return g(x)\n",
            "pkg/b.py": "from . import c\ndef g(x):\n    return c.K * x\n",
            "pkg/c.py": "K = 2\n",
        },
    ),
    "modules that import each other": Case(
        remote("return ping.f(x)", "import ping"),
        0,
        (3,),
        {
            "ping.py": "import pong\ndef f(x):\n    return pong.g(x - 1) if x else 0\n",
            "pong.py": "import ping\ndef g(x):\n    return ping.f(x)\n",
        },
    ),
    "a module that imports the function's own": Case(
        remote("from helper import h\nreturn h(x)", "K = 5"),
        15,
        (3,),
        {"helper.py": "def h(x):\n    from main import K\n    return K * x\n"},
    ),
    "a package that imports the function's own module": Case(
        "from app.work import f\n",
        15,
        (3,),
        {
            "app/__init__.py": "from .units import K\nfrom .work import f\n",
            "app/units.py": "K = 5\n",
            "app/work.py": HEAD + remote("return K * x", "from . import K"),
        },
    ),
    "a package that imports the web half": Case(
        "from app.work import f\n",
        15,
        (3,),
        {
            "app/__init__.py": "from .units import K\nfrom .work import app, f\n",
            "app/units.py": "K = 5\n",
            "app/work.py": HEAD + remote("return K * x", "from .units import K"),
        },
    ),
    "a package whose settings need what is not there": Case(
        remote("return area(x)", "from shapes.square import area"),
        9,
        (3,),
        {
            "shapes/__init__.py": "from .settings import SETTINGS\n",
            "shapes/settings.py": "from pydantic import BaseModel\nclass Settings(BaseModel):\n"
            "    unit: str = 'cm'\nSETTINGS = Settings()\n",
            "shapes/square.py": "def area(x):\n    return x * x\n",
        },
    ),
    "a helper that refers to the web half elsewhere": Case(
        remote("return double(x)", "from helper import double"),
        6,
        (3,),
        {
            "helper.py": "import main\ndef double(x):\n    return 2 * x\n"
            "def route():\n    return main.app.routes\n",
        },
    ),
    "registry filled by an import": Case(
        remote(
            "return HANDLERS['double'](x)", "from registry import HANDLERS", "import double, routes"
        ),
        4,
        (2,),
        {
            "registry.py": "HANDLERS = {}\n",
            "double.py": "from registry import HANDLERS\nHANDLERS['double'] = lambda x: 2 * x\n",
            "routes.py": "from fastapi import APIRouter\nfrom registry import HANDLERS\n"
            "router = APIRouter()\n@router.get('/')\ndef names():\n    return list(HANDLERS)\n",
        },
    ),
    "names that are looked up": Case(
        remote(
            "return globals()['K'] + eval('double(x)'), '{K}'.format(**globals())",
            "K = 2",
            "def double(x):\n    return 2 * x",
        ),
        (8, "2"),
        (3,),
    ),
    "import within the function": Case(
        remote("import util\nreturn util.twice(x)"),
        4,
        (2,),
        {"util.py": "def twice(x):\n    return 2 * x\n"},
    ),
    "import by a literal name": Case(
        remote("return importlib.import_module('util').twice(x)", "import importlib"),
        4,
        (2,),
        {"util.py": "def twice(x):\n    return 2 * x\n"},
    ),
    "conditional import": Case(
        remote(
            "return fast(x)",
            "import sys",
            "if sys.version_info > (3, 0):\n    from util import twice as fast",
            "else:\n    fast = None",
        ),
        4,
        (2,),
        {"util.py": "def twice(x):\n    return 2 * x\n"},
    ),
    "import that may fail": Case(
        remote(
            "return fast is None",
            "try:\n    import no_such_thing as fast",
            "except ImportError:\n    fast = None",
        ),
        True,
        (2,),
    ),
    "type-checking import": Case(
        remote(
            "y: Row = x\nreturn y",
            "from typing import TYPE_CHECKING",
            "if TYPE_CHECKING:\n    from rows import Row",
        ),
        2,
        (2,),
        {"rows.py": "raise RuntimeError('imported')\n"},
    ),
    "undeclared import that is not touched": Case(
        remote("return util.twice(x)", "import util"),
        4,
        (2,),
        {
            "util.py": "import fastapi\nfrom httpx import Client\nclass A:\n"
            "    client: Client\ndef twice(x: fastapi.Request | None) -> list[Client]:\n"
            "    return 2 * x\ndef web():\n    return Client()\n"
        },
    ),
    "module with remote functions and resources": Case(
        "from workers.gpu import inner\n"
        "@remote(gpu)\nasync def f(x):\n    return await inner(x) + 1\n",
        5,
        (2,),
        {
            "workers/__init__.py": "",
            "workers/gpu.py": "from pytest_flash import GpuGroup, LiveServerless, remote\n"
            "from pytest_flash.errors import RemoteError\n"
            "res = LiveServerless(name='inner', gpus=[GpuGroup.ADA_24])\n"
            "@remote(res, dependencies=[])\ndef inner(x):\n    try:\n        return x * 2\n"
            "    except RemoteError:\n        return None\n",
        },
    ),
    "a module named like one of Python's own helpers": Case(
        remote("return cloudpickle_utils.K + x", "import cloudpickle_utils"),
        3,
        (1,),
        {"cloudpickle_utils.py": "K = 2\n"},
    ),
    "data of a module": Case(
        remote("return settings.TABLE[x]", "import settings"),
        "b",
        (1,),
        {"settings.py": "TABLE = ['a', 'b']\n"},
    ),
    "constant read from a file": Case(
        remote(
            "return CONFIG['k'] + x",
            "import json, pathlib",
            "CONFIG = json.loads((pathlib.Path(__file__).parent / 'c.json').read_text())",
        ),
        3,
        (1,),
        {"c.json": '{"k": 2}'},
    ),
    "dataclass value": Case(
        remote(
            "return CONFIG.k + x",
            "from dataclasses import dataclass",
            "@dataclass\nclass Config:\n    k: int",
            "CONFIG = Config(2)",
        ),
        3,
        (1,),
    ),
    "frozen dataclass with slots": Case(
        remote(
            "return CONFIG.k + x",
            "from dataclasses import dataclass",
            "@dataclass(frozen=True, slots=True)\nclass Config:\n    k: int",
            "CONFIG = Config(2)",
        ),
        3,
        (1,),
    ),
    "dataclass of another module": Case(
        remote("return CONFIG.k + x", "from config import Config", "CONFIG = Config(2)"),
        3,
        (1,),
        {"config.py": "from dataclasses import dataclass\n@dataclass\nclass Config:\n    k: int\n"},
    ),
    "enum value": Case(
        remote(
            "return MODE is Mode.FAST and x",
            "import enum",
            "class Mode(enum.Enum):\n    FAST = 'f'\n    SLOW = 's'",
            "MODE = Mode.FAST",
        ),
        1,
        (1,),
    ),
    "flags": Case(
        remote(
            "return (MODE & Mode.A) == Mode.A",
            "import enum",
            "class Mode(enum.Flag):\n    A = 1\n    B = 2",
            "MODE = Mode.A | Mode.B",
        ),
        True,
        (1,),
    ),
    "named tuple": Case(
        remote(
            "return ORIGIN._replace(x=x)._asdict()",
            "from typing import NamedTuple",
            "class P(NamedTuple):\n    x: int\n    y: int",
            "ORIGIN = P(0, 0)",
        ),
        {"x": 1, "y": 0},
        (1,),
    ),
    "collections.namedtuple": Case(
        remote("return P(x, 2).y", "import collections", "P = collections.namedtuple('P', 'x y')"),
        2,
        (1,),
    ),
    "data of the standard library": Case(
        remote(
            "return DAY.year, COST + x, WHERE.name, bool(WORD.match('ab')), LAST[-1], ID.hex[:2]",
            "import collections, datetime, decimal, pathlib, re, uuid",
            "DAY = datetime.date(2020, 1, 2)",
            "COST = decimal.Decimal('1.5')",
            "WHERE = pathlib.PurePosixPath('/a/b')",
            "WORD = re.compile('a')",
            "LAST = collections.deque([1, 2], maxlen=2)",
            "ID = uuid.UUID(int=0)",
        ),
        (2020, 2.5, "b", True, 2, "00"),
        (1,),
    ),
    "registry filled by a decorator": Case(
        remote(
            "return HANDLERS['double'](x)",
            "HANDLERS = {}",
            "def register(name):\n    def keep(function):\n"
            "        HANDLERS[name] = function\n        return function\n    return keep",
            "@register('double')\ndef double(x):\n    return x * 2",
        ),
        4,
        (2,),
    ),
    "registry filled by a call": Case(
        remote(
            "return HANDLERS['double'](x)",
            "HANDLERS = {}",
            "def add(name, function):\n    HANDLERS[name] = function",
            "add('double', lambda x: x * 2)",
        ),
        4,
        (2,),
    ),
    "registry that is an object": Case(
        remote(
            "return routes.table['double'](x)",
            "class Routes:\n    def __init__(self):\n        self.table = {}\n"
            "    def on(self, function):\n        self.table[function.__name__] = function\n"
            "        return function",
            "routes = Routes()",
            "@routes.on\ndef double(x):\n    return x * 2",
        ),
        4,
        (2,),
    ),
    "registry of subclasses": Case(
        remote(
            "return sorted(HANDLERS), HANDLERS['Double']().go(x)",
            "HANDLERS = {}",
            "class Handler:\n    def __init_subclass__(cls):\n        HANDLERS[cls.__name__] = cls",
            "class Plain(Handler):\n    def go(self, x):\n        return x",
            "class Double(Plain):\n    def go(self, x):\n        return 2 * super().go(x)",
        ),
        (["Double", "Plain"], 4),
        (2,),
    ),
    "registry of a metaclass": Case(
        remote(
            "return sorted(Meta.known)",
            "class Meta(type):\n    known = {}\n    def __init__(cls, *rest):\n"
            "        super().__init__(*rest)\n        Meta.known[cls.__name__] = cls",
            "class A(metaclass=Meta):\n    pass",
            "class B(A):\n    pass",
        ),
        ["A", "B"],
        (1,),
    ),
    "registry of subclasses in a module": Case(
        remote(
            "return sorted(Handler.known)",
            "from handlers import Handler",
            "class Mine(Handler):\n    pass",
        ),
        ["Mine"],
        (1,),
        {
            "handlers.py": "class Handler:\n    known = {}\n    def __init_subclass__(cls):\n"
            "        Handler.known[cls.__name__] = cls\n"
        },
    ),
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
