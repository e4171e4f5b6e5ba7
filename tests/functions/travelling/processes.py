"""Processes that functions start: interpreters of their own, which find the same modules."""

from __future__ import annotations

from tests.functions.travelling import Case, remote

_WORK = "import util\nK = 3\ndef work(x):\n    return util.twice(x) + K\n"
_POOL = (
    "import multiprocessing\n"
    "from concurrent.futures import ProcessPoolExecutor\n"
    "context = multiprocessing.get_context({method!r})\n"
    "with ProcessPoolExecutor(1, mp_context=context) as pool:\n"
    "    return list(pool.map({function}, x, timeout=60))"
)
_UTIL = "def twice(x):\n    return 2 * x\n"

CASES: dict[str, Case] = {
    "spawn, a function of the own module": Case(
        _WORK + remote(_POOL.format(method="spawn", function="work")),
        [5, 7],
        ([1, 2],),
        {"util.py": _UTIL},
    ),
    "forkserver, a function of another module, and what is below a package": Case(
        remote(_POOL.format(method="forkserver", function="tools.deep.work"), "import tools.deep"),
        [3, 5],
        ([1, 2],),
        {
            "tools/__init__.py": "",
            "tools/deep.py": "from .more import ONE\ndef work(x):\n    import util\n"
            "    return util.twice(x) + ONE\n",
            "tools/more.py": "ONE = 1\n",
            "util.py": _UTIL,
        },
    ),
    "sys.path that goes elsewhere is plain": Case(
        remote(
            "import copy, pickle, sys\n"
            "return all(type(e) is str for p in (pickle.loads(pickle.dumps(sys.path)),\n"
            "           copy.deepcopy(sys.path)) for e in p)"
        ),
        True,
        ((),),
    ),
}
