"""What travels with a function, seen from a worker that has the standard library alone."""

from __future__ import annotations

import importlib
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_flash.errors import CannotTravelError, ConfigurationError
from pytest_flash.functions.shipping.payload import Shipping
from tests.functions.shipping.source_cases import HEAD, TRAVELS

Module = Callable[[str], ModuleType]
OnWorker = Callable[..., Any]
Project = Callable[[dict[str, str]], Any]


@pytest.mark.parametrize("case", TRAVELS)
def test_what_a_function_needs_travels(module: Module, on_worker: OnWorker, case: str) -> None:
    source, args, expected = TRAVELS[case]
    assert isinstance(source, str)
    assert isinstance(args, list)
    future = "from __future__ import annotations\n" if "future" in case else ""
    made = module(future + HEAD + source)

    assert on_worker(made.f, *args) == expected


def sent(function: Any) -> str:
    """All the source that travels with a function."""
    return "\n".join(Shipping().call(function.spec, (), {})[0].sources.values())


def test_the_web_half_stays_at_home(module: Module) -> None:
    made = module(HEAD + "SECRET = 'hush'\n@remote(gpu)\ndef f():\n    return 1\n")
    assert "hush" not in sent(made.f)
    assert "FastAPI" not in sent(made.f)
    assert "def f()" in sent(made.f)


def test_resources_of_awaited_functions_stay_at_home(module: Module) -> None:
    made = module(
        HEAD + "from pathlib import Path\ncpu = LiveServerless(name=Path('cpu').name)\n"
        "@remote(cpu)\ndef inner():\n    return 1\n"
        "@remote(gpu)\nasync def f():\n    return await inner()\n"
    )
    assert "LiveServerless" not in sent(made.f)
    assert "pathlib" not in sent(made.f)
    assert "pytest_flash" not in sent(made.f)


def test_two_functions_of_a_file_share_its_state(module: Module, on_worker: OnWorker) -> None:
    made = module(
        HEAD + "CACHE = {}\n@remote(gpu)\ndef put(k, v):\n    CACHE[k] = v\n"
        "@remote(gpu)\ndef get(k):\n    return CACHE[k]\n"
    )
    on_worker(made.put, "a", 1)
    assert on_worker(made.get, "a") == 1


def test_a_function_that_is_called_by_another_is_awaited(
    module: Module, on_worker: OnWorker
) -> None:
    made = module(
        HEAD + "@remote(gpu)\ndef one(x):\n    return (x, two)[0]\n"
        "@remote(gpu)\ndef two(x):\n    return (-x, one)[0]\n"
        "@remote(gpu)\nasync def both(x):\n    return await one(x), await two(x)\n"
    )
    assert on_worker(made.one, 1) == 1
    assert on_worker(made.two, 1) == -1
    assert on_worker(made.both, 1) == (1, -1)


@pytest.mark.parametrize(
    "source",
    [
        "globals()['HIDDEN'] = {hidden}\n",
        "if __name__ != '__main__':\n    globals().update(HIDDEN={hidden})\n",
        "def init():\n    global HIDDEN\n    HIDDEN = {hidden}\ninit()\n",
    ],
)
def test_a_name_that_no_statement_binds_travels_as_data_or_is_refused(
    module: Module, on_worker: OnWorker, source: str
) -> None:
    function = "@remote(gpu)\ndef f():\n    return HIDDEN\n"
    made = module(HEAD + source.format(hidden="[1]") + function)
    assert on_worker(made.f) == [1]
    made = module(HEAD + source.format(hidden="object()") + function)
    with pytest.raises(CannotTravelError, match=r"shipped_\d+.py:\d+: f needs HIDDEN, which"):
        on_worker(made.f)


def test_a_star_import_that_is_not_needed_is_not_sent(module: Module) -> None:
    made = module(HEAD + "from math import *\n@remote(gpu)\ndef f():\n    return 1\n")
    assert "math" not in sent(made.f)


def test_module_state_lasts_as_long_as_the_worker(module: Module, on_worker: OnWorker) -> None:
    made = module(HEAD + "N = 0\n@remote(gpu)\ndef f(x):\n    global N\n    N += x\n    return N\n")
    assert [on_worker(made.f, x) for x in (1, 2, 3)] == [1, 3, 6]


def test_a_value_travels_as_it_is_at_the_call(module: Module, on_worker: OnWorker) -> None:
    made = module(HEAD + "SCALE = 3\n@remote(gpu)\ndef f(x):\n    return x * SCALE\n")
    assert on_worker(made.f, 2) == 6
    vars(made)["SCALE"] = 5
    assert on_worker(made.f, 2) == 10


VALUES = """\
import dataclasses, enum, typing
LATER = None

class Mode(enum.Enum):
    FAST, SLOW = "f", "s"

class Size(typing.NamedTuple):
    x: int

@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    mode: Mode
    sizes: dict[str, Size]

MODE = Mode.SLOW
SIZE = Size(0)
CONFIG = Config(MODE, {})

@remote(gpu)
def f():
    return MODE, SIZE, CONFIG, LATER
"""


def test_values_of_classes_travel_as_they_are_at_the_call(
    module: Module, on_worker: OnWorker
) -> None:
    made: Any = module(HEAD + VALUES)
    assert on_worker(made.f) == made.f.local()
    # What no statement of the file could make again.
    made.MODE, made.SIZE = made.Mode.FAST, made.Size(1)
    made.CONFIG = made.Config(made.Mode.FAST, {"a": made.Size(2)})
    made.LATER = [made.CONFIG]
    assert on_worker(made.f) == made.f.local()


def test_a_value_of_a_class_of_another_module(project: Project, on_worker: OnWorker) -> None:
    main = project(
        {
            "main.py": HEAD + "from load import CONFIG\nOURS = CONFIG\n"
            "@remote(gpu)\ndef f():\n    return OURS\n",
            "load.py": "from shapes import Config\nCONFIG = Config(1)\n",
            "shapes.py": "import dataclasses\n@dataclasses.dataclass\nclass Config:\n    n: int\n",
        }
    )
    main.OURS.n = 5
    assert on_worker(main.f) == main.OURS


def test_a_remote_traceback_names_file_line_and_source(module: Module, on_worker: OnWorker) -> None:
    made = module(
        HEAD + "\n\n@remote(gpu)\ndef f(x):\n    return h(x)\n\ndef h(x):\n    return 1 / x\n"
    )

    with pytest.raises(ZeroDivisionError) as caught:
        on_worker(made.f, 0)

    for trace in (
        "".join(traceback.format_exception(caught.value)),
        getattr(caught.value, "remote_traceback", ""),
    ):
        assert f'File "{made.__file__}", line 10, in f\n    return h(x)' in trace
        assert f'File "{made.__file__}", line 13, in h\n    return 1 / x' in trace
        assert "ZeroDivisionError: division by zero" in trace


def test_a_function_in_a_function_travels_when_it_closes_over_nothing(
    module: Module, on_worker: OnWorker
) -> None:
    made = module(
        HEAD + "K = 2\ndef make():\n    @remote(gpu)\n    def f(x):\n        return x * K\n"
        "    return f\n"
    )
    assert on_worker(made.make(), 4) == 8


def test_source_that_changed_since_the_import_is_refused(
    module: Module, on_worker: OnWorker
) -> None:
    made = module(HEAD + "@remote(gpu)\ndef f(x):\n    return 1\n")
    assert made.__file__ is not None
    Path(made.__file__).write_text("# all new\n" * 20)
    with pytest.raises(ConfigurationError, match="restart to run the new code"):
        on_worker(made.f, 1)


def test_modules_of_an_archive_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_worker: OnWorker
) -> None:
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_help.py", "def twice(x):\n    return 2 * x\n")
        source = "import zipped_help\n@remote(gpu)\ndef f(x):\n    return zipped_help.twice(x)\n"
        file.writestr("zipped_app.py", HEAD + source)
    monkeypatch.syspath_prepend(archive)
    assert on_worker(importlib.import_module("zipped_app").f, 4) == 8


def test_a_function_without_a_file_travels_by_its_code(on_worker: OnWorker) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(HEAD + "K = 2\n@remote(gpu)\ndef f(x):\n    return x * K\n", namespace)
    assert on_worker(namespace["f"], 4) == 8
