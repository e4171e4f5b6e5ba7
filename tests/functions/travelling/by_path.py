"""Modules that an app loads by their path, as ``importlib`` shows it."""

from __future__ import annotations

from tests.functions.travelling import Case, remote

_LOAD = """\
import importlib.util, sys
from pathlib import Path

def load(name, file, keep=True):
    assert "pytest_flash.functions" in sys.modules, "this is a worker, which has no such file"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / file)
    module = importlib.util.module_from_spec(spec)
    if keep:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
"""
_WORKER = (
    "from pytest_flash import LiveServerless, remote\n"
    "gpu = LiveServerless(name='gpu')\nK = 3\n"
    "def helper(x):\n    return K * x\n"
    "@remote(gpu)\ndef inner(x):\n    return helper(x) + 1\n"
)

CASES: dict[str, Case] = {
    "a module by path that is kept": Case(
        f"{_LOAD}f = load('kept_by_path', '01_workers/gpu-worker.py').inner\n",
        7,
        (2,),
        {"01_workers/gpu-worker.py": _WORKER},
    ),
    "a module by path that nobody keeps": Case(
        f"{_LOAD}f = load('not_kept_by_path', '01_workers/gpu-worker.py', False).inner\n",
        7,
        (2,),
        {"01_workers/gpu-worker.py": _WORKER},
    ),
    "a module by path under a dotted name that has no parents": Case(
        f"{_LOAD}f = load('no.such.parents', '01_workers/gpu-worker.py').inner\n",
        7,
        (2,),
        {"01_workers/gpu-worker.py": _WORKER},
    ),
    "a module by path that a function uses": Case(
        f"{_LOAD}tools = load('tools_by_path', '01_workers/gpu-worker.py')\n"
        + remote("return tools.helper(x)"),
        6,
        (2,),
        {"01_workers/gpu-worker.py": _WORKER},
    ),
    "a package by path, with imports from itself": Case(
        f"{_LOAD}f = load('package_by_path', '02-gpu/__init__.py').f\n",
        7,
        (2,),
        {
            "02-gpu/__init__.py": "from .endpoint import inner as f\n",
            "02-gpu/endpoint.py": "from .more import ONE\n"
            + _WORKER.replace("helper(x) + 1", "helper(x) + ONE"),
            "02-gpu/more.py": "ONE = 1\n",
        },
    ),
    "functions taken out of modules by path": Case(
        f"{_LOAD}helper = load('taken_by_path', '01_workers/gpu-worker.py').helper\n"
        + remote("return helper(x)"),
        6,
        (2,),
        {"01_workers/gpu-worker.py": _WORKER},
    ),
}
