"""Remote functions that something else wraps, awaited by other remote functions."""

from __future__ import annotations

from tests.functions.travelling import Case

_RETRY = """\
import functools

def retry(function):
    @functools.wraps(function)
    async def again(*args, **kwargs):
        return "again", await function(*args, **kwargs)
    return again

def bare(function):
    async def called(x):
        return "bare", await function(x)
    return called
"""
_CALLER = "@remote(gpu)\nasync def f(x):\n    return await inner(x)\n"

CASES: dict[str, Case] = {
    "a wrapper above @remote": Case(
        f"{_RETRY}@retry\n@remote(gpu)\ndef inner(x):\n    return 2 * x\n{_CALLER}",
        ("again", 4),
        (2,),
    ),
    "a wrapper above @remote of an asynchronous function": Case(
        f"{_RETRY}@retry\n@remote(gpu)\nasync def inner(x):\n    return 2 * x\n{_CALLER}",
        ("again", 4),
        (2,),
    ),
    "a wrapper without functools.wraps above @remote": Case(
        f"{_RETRY}@bare\n@remote(gpu)\ndef inner(x):\n    return 2 * x\n{_CALLER}",
        ("bare", 4),
        (2,),
    ),
    "a wrapper that is assigned": Case(
        f"{_RETRY}@remote(gpu)\ndef plain(x):\n    return 2 * x\ninner = retry(plain)\n{_CALLER}",
        ("again", 4),
        (2,),
    ),
    "a wrapper of another module": Case(
        "from wrapped_there import inner\n" + _CALLER,
        ("again", 4),
        (2,),
        {
            "wrapped_there.py": "from pytest_flash import LiveServerless, remote\n"
            "gpu = LiveServerless(name='gpu')\n"
            f"{_RETRY}@retry\n@remote(gpu)\ndef inner(x):\n    return 2 * x\n"
        },
    ),
    "wrappers above and below @remote": Case(
        f"{_RETRY}def double(function):\n    return lambda x: 2 * function(x)\n"
        f"@retry\n@remote(gpu)\n@double\ndef inner(x):\n    return 2 * x\n{_CALLER}",
        ("again", 8),
        (2,),
    ),
    "a wrapped function that calls itself": Case(
        f"{_RETRY}@retry\n@remote(gpu)\nasync def inner(x):\n"
        f"    return x and (await inner(x - 1))[0]\n{_CALLER}",
        ("again", "again"),
        (1,),
    ),
    "functools.partial of a remote function": Case(
        "import functools\n@remote(gpu)\ndef add(x, y):\n    return x + y\n"
        f"inner = functools.partial(add, 3)\n{_CALLER}",
        5,
        (2,),
    ),
}
