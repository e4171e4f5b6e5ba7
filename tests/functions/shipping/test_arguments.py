"""Values on their way: classes of the project, of a script, of a test; results that are read."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import LiveServerless, remote
from pytest_flash.errors import UnreadableResultError
from pytest_flash.functions.calling.calls import RemoteCalls
from tests.functions.travelling import HEAD
from tests.functions.workers import MinimalWorker
from tests.support.environment import ROOT, clean_environment

Import = Callable[[dict[str, str]], Any]
GPU = LiveServerless(name="gpu")
OFFSET = 100


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "r"


class Stop(Exception):
    def __init__(self, at: Point) -> None:
        super().__init__(f"at {at.x}")
        self.at = at


@remote(GPU)
def identity(value: Any) -> Any:
    return value


@remote(GPU)
def kind_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


@remote(GPU)
def move(point: Point, by: int) -> Point:
    assert isinstance(point, Point), type(point)
    return dataclasses.replace(point, x=point.x + by)


@remote(GPU)
def stop(point: Point) -> None:
    raise Stop(point)


@remote(GPU)
def apply(function: Callable[[int], int], value: int) -> int:
    return function(value)


def double(value: int) -> int:
    return 2 * value + OFFSET


@pytest.fixture(params=["ours", "minimal"])
def call(
    request: pytest.FixtureRequest, ours: RemoteCalls, minimal: MinimalWorker
) -> Callable[..., Any]:
    def made(function: Any, *args: Any) -> Any:
        if request.param == "ours":
            return asyncio.run(ours.call(function.spec, args, {}))
        return minimal.outcome(function.spec, args).get()

    return made


@pytest.mark.parametrize(
    "value",
    [Point(1, 2), [Point(1)], {"k": Colour.RED}, Point, Colour, {Point(1).x: (Colour.RED,)}],
)
def test_values_of_classes_of_a_test_come_back_as_themselves(
    call: Callable[..., Any], value: Any
) -> None:
    assert call(identity, value) == value


def test_a_class_is_known_by_its_name_on_the_worker(call: Callable[..., Any]) -> None:
    assert call(kind_of, Point(1)) == f"{__name__}.Point"
    assert call(move, Point(1), 2) == Point(3)


def test_an_exception_of_a_test_is_raised_as_itself(call: Callable[..., Any]) -> None:
    with pytest.raises(Stop) as caught:
        call(stop, Point(7))
    assert type(caught.value) is Stop
    assert caught.value.at == Point(7)
    assert getattr(caught.value, "job_id", None)


@pytest.mark.parametrize("function", [double, lambda value: 2 * value + OFFSET])
def test_functions_are_arguments(call: Callable[..., Any], function: Any) -> None:
    assert call(apply, function, 4) == 108


def test_closures_and_local_classes_are_arguments(call: Callable[..., Any]) -> None:
    extra = 5

    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    assert call(apply, lambda value: value + extra, 4) == 9
    back = call(identity, Local(3))
    assert isinstance(back, Local)
    assert back.x == 3


def test_a_function_of_a_test_closes_over_what_is_around_it(call: Callable[..., Any]) -> None:
    point, seen = Point(4), {"times": 3}

    @remote(GPU)
    def inner(value: int) -> tuple[int, Point]:
        assert value > 0
        return value * seen["times"] + OFFSET, dataclasses.replace(point, y=value)

    assert call(inner, 2) == (106, Point(4, 2))
    with pytest.raises(AssertionError):
        call(inner, 0)


def test_a_class_of_a_module_that_nothing_else_needs(
    project: Import, call: Callable[..., Any]
) -> None:
    main = project(
        {
            "main.py": HEAD + "import shapes\n@remote(gpu)\ndef f(x):\n    return x.area()\n",
            "shapes.py": "import httpx\nimport math\nclient = httpx.Client\n"
            "class Circle:\n    def __init__(self, r):\n        self.r = r\n"
            "    def area(self):\n        return math.floor(self.r ** 2 * math.pi)\n",
        }
    )
    assert call(main.f, main.shapes.Circle(2)) == 12


def test_a_module_that_an_argument_names_and_the_function_imports(
    project: Import, call: Callable[..., Any]
) -> None:
    main = project(
        {
            "main.py": HEAD + "import shapes, units\n@remote(gpu)\ndef f(x):\n"
            "    return units.cm(x.area())\n",
            "units.py": "import shapes\ndef cm(x):\n    return f'{x} {shapes.UNIT}'\n",
            "shapes.py": "UNIT = 'cm'\nclass Square:\n    def __init__(self, a):\n"
            "        self.a = a\n    def area(self):\n        return self.a ** 2\n",
        }
    )
    assert call(main.f, main.shapes.Square(2)) == "4 cm"


def test_a_result_of_a_class_that_is_not_here(ours: RemoteCalls, project: Import) -> None:
    main = project(
        {
            "main.py": HEAD + "@remote(gpu)\ndef f(x):\n    import sys, types\n"
            "    made = types.ModuleType('only_there')\n    sys.modules['only_there'] = made\n"
            "    exec('class Thing: pass', made.__dict__)\n"
            "    made.Thing.__module__ = 'only_there'\n    return made.Thing()\n",
        }
    )
    with pytest.raises(
        UnreadableResultError, match="cannot be read here: ModuleNotFound"
    ) as caught:
        asyncio.run(ours.call(main.f.spec, (1,), {}))
    assert "only_there" in str(caught.value)
    assert caught.value.job_id


SCRIPT = """\
import asyncio, dataclasses, sys, tempfile
from pathlib import Path
from pytest_flash import LiveServerless, remote
from pytest_flash.functions.registry import registry

SCALE = 2

@dataclasses.dataclass
class Point:
    x: int

class Bad(Exception):
    pass

@remote(LiveServerless(name="gpu"))
def grow(point: Point, *, fail=False) -> Point:
    if fail:
        raise Bad(point.x)
    return Point(point.x * SCALE) if isinstance(point, Point) else None

async def main():
    print(await grow(Point(3)))
    try:
        await grow(Point(3), fail=True)
    except Bad as error:
        print("Bad", error, type(error) is Bad)

if __name__ == "__main__":
    from tests.functions.workers import emulated
    with tempfile.TemporaryDirectory() as folder, emulated(Path(folder)) as session:
        with registry.bound(session.calls):
            asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["script", "stdin", "package", "module"])
def test_classes_of_a_script(tmp_path: Path, how: str) -> None:
    package = tmp_path / "acts"
    package.mkdir()
    (package / "scale.py").write_text("SCALE = 2\n")
    for name in ("__main__", "grow"):
        relative = SCRIPT.replace("SCALE = 2", "from .scale import SCALE")
        (package / f"{name}.py").write_text(relative)
    script = tmp_path / "my_script.py"
    script.write_text(SCRIPT)
    arguments = {
        "script": [str(script)],
        "stdin": ["-"],
        "package": ["-m", "acts"],
        "module": ["-m", "acts.grow"],
    }
    done = subprocess.run(
        [sys.executable, *arguments[how]],
        input=SCRIPT if how == "stdin" else None,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["Point(x=6)", "Bad 3 True"], done.stderr


def test_a_function_of_a_test_calls_itself_and_others(call: Callable[..., Any]) -> None:
    @remote(GPU)
    def factorial(n: int) -> int:
        return 1 if n < 2 else n * factorial(n - 1)  # type: ignore[operator]

    @remote(GPU)
    async def countdown(n: int) -> list[int]:
        return [n, *(await countdown(n - 1))] if n else [await factorial(3)]

    assert call(factorial, 5) == 120
    assert call(countdown, 2) == [2, 1, 6]


def test_a_function_without_a_file_calls_itself_and_others(call: Callable[..., Any]) -> None:
    source = (
        "@remote(gpu)\ndef f(n):\n    return 1 if n < 2 else n * f(n - 1)\n"
        "@remote(gpu)\nasync def g(n):\n    return await h(n)\n"
        "async def h(n):\n    return await f(n) if n < 4 else await g(n - 1)\n"
    )
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(HEAD + source, namespace)
    assert call(namespace["f"], 5) == 120
    assert call(namespace["g"], 5) == 6
