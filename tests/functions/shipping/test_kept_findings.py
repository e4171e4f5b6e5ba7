"""What is kept of a project for all of its functions, beside the same found out anew."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.shipping.payload import Shipping

APP, PARTS = "kept_app", "kept_parts"
NAMES = tuple(f"part_{number}" for number in range(6))
# How a part takes another one: those above it where it is executed, others when it is called.
EARLY = (
    "from . import {0}",
    f"import {PARTS}.{{0}}",
    "from .{0} import VALUE as from_{0}",
    "from .{0} import *",
)
LATE = (
    "def late_{0}():\n    from . import {0}",
    f"def late_{{0}}():\n    import importlib\n    importlib.import_module(f'{PARTS}.{{0}}')",
    f"def late_{{0}}(n):\n    import importlib\n    importlib.import_module('{PARTS}.' + n)",
    "def late_{0}():\n    import kept_app\n    return kept_app.OF_APP",
)
numbers = st.integers(0, len(NAMES) - 1)
bodies = st.dictionaries(numbers, st.integers(0, 3), max_size=2)


@dataclass(frozen=True)
class App:
    """An app that imports the parts ``unused``, and functions that use one each."""

    unused: set[int]
    used: list[int]

    @property
    def text(self) -> str:
        imports = "".join(f"import {PARTS}.{NAMES[n]} as unused_{n}\n" for n in sorted(self.unused))
        return (
            f"from pytest_flash import CpuLiveServerless, remote\n{imports}OF_APP = 1\n"
            + "".join(
                f"from {PARTS} import {NAMES[part]} as used_{number}\n"
                f"@remote(CpuLiveServerless(name='kept'))\n"
                f"async def work_{number}():\n    return used_{number}.VALUE\n"
                for number, part in enumerate(self.used)
            )
        )


apps = st.builds(App, st.sets(numbers), st.lists(numbers, min_size=2, max_size=3))


def part_text(number: int, body: dict[int, int]) -> str:
    ways = (
        (EARLY if other < number else LATE)[way].format(NAMES[other]) for other, way in body.items()
    )
    return "\n".join([*ways, f"VALUE = {number}", ""])


@contextlib.contextmanager
def project(app: App, parts: list[dict[int, int]]) -> Iterator[Path]:
    """The folder of a project that can be imported."""
    written = sys.dont_write_bytecode
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / PARTS).mkdir()
        (folder / PARTS / "__init__.py").touch()
        for number, body in enumerate(parts):
            (folder / PARTS / f"{NAMES[number]}.py").write_text(part_text(number, body))
        (folder / f"{APP}.py").write_text(app.text)
        sys.path.insert(0, scratch)
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        try:
            yield folder
        finally:
            sys.dont_write_bytecode = written
            sys.path.remove(scratch)
            for name in [n for n in sys.modules if n.partition(".")[0] in (APP, PARTS)]:
                del sys.modules[name]


def functions() -> list[FunctionSpec]:
    app: Any = sys.modules[APP]
    return [each.spec for name, each in vars(app).items() if name.startswith("work_")]


def assert_as_found_anew(shipping: Shipping) -> None:
    for spec in functions():
        kept, anew = shipping.prepare(spec), Shipping().prepare(spec)
        assert kept.code == anew.code
        assert kept.sources == anew.sources
        assert kept.absent == anew.absent
        assert {each.name for each in kept.imported} == {each.name for each in anew.imported}


@settings(max_examples=settings().max_examples // 3)
@given(
    app=apps,
    parts=st.lists(bodies, min_size=len(NAMES), max_size=len(NAMES)),
    edits=st.lists(st.one_of(apps, st.tuples(numbers, bodies, st.booleans())), max_size=3),
)
def test_what_is_kept_for_all_functions_is_what_each_would_find_anew(
    app: App, parts: list[dict[int, int]], edits: list[App | tuple[int, dict[int, int], bool]]
) -> None:
    with project(app, parts) as folder:
        importlib.import_module(APP)
        shipping = Shipping()
        assert_as_found_anew(shipping)
        for edit in edits:
            if isinstance(edit, App):
                app = edit
            else:
                number, body, alone = edit
                name = f"{PARTS}.{NAMES[number]}"
                (folder / PARTS / f"{NAMES[number]}.py").write_text(part_text(number, body))
                if name in sys.modules:
                    importlib.reload(sys.modules[name])
                if alone:
                    assert_as_found_anew(shipping)
                    continue
            # Its functions are new ones, of which nothing is ready: what is kept is put together.
            (folder / f"{APP}.py").write_text(app.text)
            del sys.modules[APP]
            importlib.import_module(APP)
            assert_as_found_anew(shipping)


PLUGGED = """\
import kept_parts.plug
from kept_parts import registry
from pytest_flash import CpuLiveServerless, remote

@remote(CpuLiveServerless(name="kept"))
async def work_0():
    return registry.TABLE
"""


def test_a_module_that_now_has_an_effect_travels_once_it_is_reloaded() -> None:
    """Before, it stayed here: nothing that travels was in it."""
    with project(App(set(), []), [{}] * len(NAMES)) as folder:
        (folder / PARTS / "registry.py").write_text("TABLE = {}\n")
        (folder / PARTS / "plug.py").write_text("NOTHING = 1\n")
        (folder / f"{APP}.py").write_text(PLUGGED)
        importlib.import_module(APP)
        shipping = Shipping()
        (spec,) = functions()
        assert f"{PARTS}.plug" not in shipping.prepare(spec).sources
        plug = folder / PARTS / "plug.py"
        plug.write_text("from . import registry\nregistry.TABLE['plug'] = 1\n")
        importlib.reload(sys.modules[f"{PARTS}.plug"])
        assert f"{PARTS}.plug" in shipping.prepare(spec).sources
        assert_as_found_anew(shipping)
