"""Values at module level: data, and what statements fill."""

from __future__ import annotations

from tests.functions.travelling import Case, remote

CASES: dict[str, Case] = {
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
}
