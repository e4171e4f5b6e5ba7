"""Functions with what they need of their file, and what each gives."""

from __future__ import annotations

HEAD = """\
from pytest_flash import LiveServerless, remote
import fastapi

gpu = LiveServerless(name="gpu")
app = fastapi.FastAPI()
"""

TRAVELS = {
    "plain": ("@remote(gpu)\ndef f(x):\n    return x + 1\n", [1], 2),
    "async": ("@remote(gpu)\nasync def f(x):\n    return x + 1\n", [1], 2),
    "import": ("import math\n@remote(gpu)\ndef f(x):\n    return math.floor(x)\n", [1.5], 1),
    "import as": (
        "import os.path as p\n@remote(gpu)\ndef f(x):\n    return p.basename(x)\n",
        ["/a/b"],
        "b",
    ),
    "from import": (
        "from math import floor as down\n@remote(gpu)\ndef f(x):\n    return down(x)\n",
        [1.5],
        1,
    ),
    "constant": ("SCALE = 3\n@remote(gpu)\ndef f(x):\n    return x * SCALE\n", [2], 6),
    "constant of constants": (
        "A = 2\nB = A + 1\n@remote(gpu)\ndef f(x):\n    return x * B\n",
        [2],
        6,
    ),
    "helper": (
        "def h(x):\n    return k(x) * 2\ndef k(x):\n    return x + 1\n"
        "@remote(gpu)\ndef f(x):\n    return h(x)\n",
        [2],
        6,
    ),
    "helper below": (
        "@remote(gpu)\ndef f(x):\n    return h(x)\ndef h(x):\n    return -x\n",
        [2],
        -2,
    ),
    "class": (
        "class C:\n    def __init__(self, x):\n        self.x = x\n"
        "@remote(gpu)\ndef f(x):\n    return C(x).x\n",
        [2],
        2,
    ),
    "dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int\n"
        "@remote(gpu)\ndef f(x):\n    return D(x).x\n",
        [2],
        2,
    ),
    "enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n"
        "@remote(gpu)\ndef f(x):\n    return E(x).name\n",
        [1],
        "A",
    ),
    "default argument": (
        "LIMIT = 5\n@remote(gpu)\ndef f(x, limit=LIMIT):\n    return min(x, limit)\n",
        [9],
        5,
    ),
    "annotations of the web half": (
        "@remote(gpu)\ndef f(x: fastapi.Request, *a: fastapi.Request) -> fastapi.Response:\n"
        "    return x\n",
        [1],
        1,
    ),
    "annotated helper": (
        "def h(x: fastapi.Request, **k: 'Nope') -> fastapi.Request:\n    return x\n"
        "@remote(gpu)\ndef f(x):\n    return h(x)\n",
        [1],
        1,
    ),
    "local that shadows the web half": (
        "@remote(gpu)\ndef f(x):\n    app = x\n    return app\n",
        [1],
        1,
    ),
    "own decorator below": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a):\n"
        "        return f(*a) * 2\n    return g\n@remote(gpu)\n@twice\ndef f(x):\n    return x\n",
        [2],
        4,
    ),
    "decorator above": (
        "def keep(f):\n    return f\n@keep\n@remote(gpu)\ndef f(x):\n    return x\n",
        [1],
        1,
    ),
    "decorator over lines": (
        "@remote(\n    gpu,\n    dependencies=None,\n)\ndef f(x):\n    return x\n",
        [1],
        1,
    ),
    "remote by another name": (
        "import pytest_flash as pf\n@pf.remote(gpu)\ndef f(x):\n    return x\n",
        [1],
        1,
    ),
    "try import": (
        "try:\n    import no_such_module as m\nexcept ImportError:\n    m = None\n"
        "@remote(gpu)\ndef f(x):\n    return m is None\n",
        [1],
        True,
    ),
    "registry filled elsewhere": (
        "TABLE = {}\nTABLE['a'] = 1\nTABLE.update(b=2)\n"
        "@remote(gpu)\ndef f(x):\n    return TABLE\n",
        [1],
        {"a": 1, "b": 2},
    ),
    "recursion": (
        "@remote(gpu)\ndef f(x):\n    return x and x + h(x - 1)\ndef h(x):\n    return x\n",
        [3],
        5,
    ),
    "global state": (
        "N = 0\n@remote(gpu)\ndef f(x):\n    global N\n    N += x\n    return N\n",
        [3],
        3,
    ),
    "nested function and lambda": (
        "K = 2\n@remote(gpu)\ndef f(x):\n    def g(y):\n        return y * K\n"
        "    return (lambda z: g(z))(x)\n",
        [3],
        6,
    ),
    "defined in an if": ("if True:\n    @remote(gpu)\n    def f(x):\n        return x\n", [1], 1),
    "table filled in a loop": (
        "TABLE = {}\nfor key in 'ab':\n    TABLE[key] = 1\n"
        "@remote(gpu)\ndef f(x):\n    return TABLE\n",
        [1],
        {"a": 1, "b": 1},
    ),
    "table filled in with, try, if and while": (
        "import contextlib\nT = []\nwith contextlib.nullcontext():\n    T.append(1)\n"
        "try:\n    T.append(2)\nfinally:\n    pass\nif T:\n    T.append(3)\n"
        "while len(T) < 4:\n    T.append(4)\n@remote(gpu)\ndef f(x):\n    return T\n",
        [1],
        [1, 2, 3, 4],
    ),
    "entries deleted and unpacked into": (
        "T = {'a': 1, 'b': 2}\ndel T['a']\nT['c'], other = 3, 4\n"
        "@remote(gpu)\ndef f(x):\n    return T\n",
        [1],
        {"b": 2, "c": 3},
    ),
    "star import": (
        "from math import *\n@remote(gpu)\ndef f(x):\n    return floor(x)\n",
        [1.5],
        1,
    ),
    "star import for a helper": (
        "from math import *\ndef h(x):\n    return floor(x)\n"
        "@remote(gpu)\ndef f(x):\n    return h(x)\n",
        [1.5],
        1,
    ),
    "names of the module": (
        "@remote(gpu)\ndef f(x):\n    return bool(__name__ and __file__)\n",
        [1],
        True,
    ),
    "annotated constant": ("K: int = 2\n@remote(gpu)\ndef f(x):\n    return K\n", [1], 2),
    "main guard stays": (
        "T = [1]\nif __name__.startswith('shipped'):\n    T.append(2)\n"
        "if __name__ == '__main__':\n    T.append(no_such_name)\n"
        "@remote(gpu)\ndef f(x):\n    return T\n",
        [1],
        [1, 2],
    ),
    "another remote function, awaited": (
        "@remote(gpu)\ndef inner(x):\n    return x + 1\n"
        "@remote(gpu)\nasync def f(x):\n    return await inner(x) * 2\n",
        [1],
        4,
    ),
    "another async remote function of another resource": (
        "cpu = LiveServerless(name='cpu')\n"
        "@remote(cpu)\nasync def inner(x: fastapi.Request) -> fastapi.Request:\n    return x + 1\n"
        "async def helper(x):\n    return await inner(x)\n"
        "@remote(gpu)\nasync def f(x):\n    return await helper(x) * 2\n",
        [1],
        4,
    ),
    "remote functions that await each other": (
        "@remote(gpu)\nasync def even(x):\n    return x == 0 or await f(x - 1)\n"
        "@remote(gpu)\nasync def f(x):\n    return x != 0 and await even(x - 1)\n",
        [3],
        True,
    ),
    "a name of the prelude": (
        "def load(x):\n    return x\n@remote(gpu)\ndef f(x):\n    return load(x)\n",
        [1],
        1,
    ),
    "unicode": (
        "GRÜSSE = 'ä€😀'\n@remote(gpu)\ndef f(x):\n    return GRÜSSE + x\n",
        ["ß"],
        "ä€😀ß",
    ),
    "windows line ends": ("K = 2\r\n@remote(gpu)\r\ndef f(x):\r\n    return x * K\r\n", [2], 4),
    "future dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int\n"
        "@remote(gpu)\ndef f(x):\n    return D(x).x\n",
        [2],
        2,
    ),
    "future annotations": (
        "import decimal\n@remote(gpu)\ndef f(x: Later) -> Later:\n    return x\n",
        [1],
        1,
    ),
}
