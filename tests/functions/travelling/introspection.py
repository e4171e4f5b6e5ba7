"""What tools that look at modules find on a worker: the same as where all came from folders."""

from __future__ import annotations

from tests.functions.travelling import Case, remote

_GPU = "from pytest_flash import LiveServerless, remote\ngpu = LiveServerless(name='gpu')\n"
_LOOKING = (
    _GPU
    + remote(
        "import inspect, sys\n"
        "elsewhere = compile('', '/elsewhere.py', 'exec')\n"
        "here = inspect.getmodule(sys._getframe())\n"
        "return [inspect.getmodule(elsewhere), here.__name__, hasattr(sys.modules[x], '__path__')"
    ).rstrip()
)

CASES: dict[str, Case] = {
    "inspect.getmodule beside a package of which one module travels": Case(
        "from looked.worker import f\n",
        [None, "looked.worker", True],
        ("looked",),
        {"looked/__init__.py": "", "looked/worker.py": f"{_LOOKING}]\n"},
    ),
    "inspect.getmodule beside a folder without __init__": Case(
        "from bare.worker import f\n",
        [None, "bare.worker", True, 1],
        ("bare",),
        {
            "bare/worker.py": f"import bare.used\n{_LOOKING}, bare.used.K]\n",
            "bare/used.py": "K = 1\n",
        },
    ),
    "inspect.getfile and getsource of modules, functions and classes": Case(
        remote(
            "import inspect, os\n"
            "files = [inspect.getfile(each) for each in (seen, seen.kinds, seen.kinds.Kind)]\n"
            "names = [os.path.basename(each) for each in files]\n"
            "return names, inspect.getsource(seen.kinds.Kind), inspect.getsource(seen.kinds)",
            "import seen.kinds",
        ),
        (
            ["__init__.py", "kinds.py", "kinds.py"],
            "class Kind:\n    pass\n",
            "class Kind:\n    pass\n",
        ),
        ((),),
        {"seen/__init__.py": "", "seen/kinds.py": "class Kind:\n    pass\n"},
    ),
    "specs and loaders as those of files": Case(
        remote(
            "import importlib.util\n"
            "spec = importlib.util.find_spec('specs.part')\n"
            "text = spec.loader.get_source('specs.part')\n"
            "return [spec.has_location, spec.origin == specs.part.__file__, text, spec.parent,\n"
            "        spec is specs.part.__spec__, len(specs.__path__)]",
            "import specs.part",
        ),
        [True, True, "K = 1\n", "specs", True, 1],
        ((),),
        {"specs/__init__.py": "", "specs/part.py": "K = 1\n"},
    ),
    "pkgutil finds the modules of a package": Case(
        remote("return plugins.NAMES, plugins.found()", "import plugins"),
        (["plugins.double", "plugins.inner"], {"double": 4, "inner": 3}),
        ((),),
        {
            "plugins/__init__.py": "import importlib, pkgutil\n"
            "NAMES = sorted(e.name for e in pkgutil.iter_modules(__path__, 'plugins.'))\n"
            "MODULES = [importlib.import_module(each) for each in NAMES]\n"
            "def found():\n"
            "    return {each.__name__.partition('.')[2]: each.K for each in MODULES}\n",
            "plugins/double.py": "K = 4\n",
            "plugins/inner/__init__.py": "K = 3\n",
        },
    ),
    "importlib.resources finds source, and says what does not travel": Case(
        remote(
            "from importlib import resources\n"
            "folder = resources.files(stored)\n"
            "names = sorted(each.name for each in folder.iterdir())\n"
            "data = folder.joinpath('sizes.json')\n"
            "try:\n"
            "    return data.read_text()\n"
            "except FileNotFoundError as error:\n"
            "    missing = error.filename, 'only source travels' in str(error)\n"
            "text = (folder / 'code.py').read_text()\n"
            "return names, text, data.is_file(), missing, folder.is_dir()",
            "import stored.code",
        ),
        (["__init__.py", "code.py"], "K = 1\n", False, ("stored/sizes.json", True), True),
        ((),),
        {"stored/__init__.py": "", "stored/code.py": "K = 1\n", "stored/sizes.json": "{}"},
    ),
    "pkgutil.get_data gives source": Case(
        remote(
            "import pkgutil\nreturn pkgutil.get_data(kept.__name__, 'code.py')", "import kept.code"
        ),
        b"K = 1\n",
        ((),),
        {"kept/__init__.py": "", "kept/code.py": "K = 1\n"},
    ),
    "a file of the project is found by no import of what did not travel": Case(
        remote(
            "import importlib.util\nreturn importlib.util.find_spec(f'{partly.__name__}.unasked')",
            "import partly.asked",
        ),
        None,
        ((),),
        {"partly/__init__.py": "", "partly/asked.py": "", "partly/unasked.py": ""},
    ),
    "pickle of objects of the project's modules": Case(
        remote(
            "import pickle\n"
            "made = pickle.loads(pickle.dumps([Point(1), points.Point(2), points.twice]))\n"
            "return [made[0].x, made[1].x, made[2](3), type(made[0]) is Point]",
            "import points",
            "class Point:\n    def __init__(self, x):\n        self.x = x",
        ),
        [1, 2, 6, True],
        ((),),
        {
            "points/__init__.py": "class Point:\n    def __init__(self, x):\n        self.x = x\n"
            "def twice(x):\n    return 2 * x\n"
        },
    ),
    "pickle of an object whose module has to be looked for": Case(
        "from lookedfor.worker import f\n",
        True,
        ((),),
        {
            "lookedfor/__init__.py": "",
            "lookedfor/worker.py": _GPU
            + remote(
                "import pickle\n"
                "def nowhere():\n"
                "    pass\n"
                "nowhere.__module__ = None\n"
                "try:\n"
                "    pickle.dumps(nowhere)\n"
                "except (pickle.PicklingError, AttributeError):\n"
                "    return True"
            ),
        },
    ),
}
