"""Modules of the project, and what is imported."""

from __future__ import annotations

from tests.functions.travelling import HEAD, Case, remote

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
}
