"""What calls find where modules of a package change between them, and while they run."""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.functions.onworker.bundle import Bundle, Shipped
from pytest_flash.functions.onworker.modules import Store
from pytest_flash.functions.shipping import worker_runtime
from pytest_flash.functions.shipping.project_modules import ProjectModules
from pytest_flash.functions.shipping.whole_modules import look_at

PACKAGE = "views_of_it"
MODULES = ("a", "b", "c", "d")
# How a module takes another of its package, and finds its value.
WAYS = {
    "from . import": ("from . import {0}", "{0}.VALUE"),
    "import as": (f"import {PACKAGE}.{{0}} as it_{{0}}", "it_{0}.VALUE"),
    "import": (f"import {PACKAGE}.{{0}}", f"{PACKAGE}.{{0}}.VALUE"),
    "name": (f"from {PACKAGE}.{{0}} import VALUE as value_{{0}}", "value_{0}"),
}


@dataclass
class Package:
    """A package whose modules import those before them, and say what they found."""

    folder: Path
    takes: dict[str, dict[str, str]]
    values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MODULES, 0))

    def text(self, name: str) -> str:
        imports = [WAYS[way][0].format(other) for other, way in self.takes[name].items()]
        found = [f"{other!r}: {WAYS[way][1].format(other)}" for other, way in self._found(name)]
        late = "\n    ".join([*imports, f"return {{{', '.join(found)}}}"])
        early = "\n".join([*imports, f"SEEN = {{{', '.join(found)}}}"])
        return f"VALUE = {self.values[name]}\n{early}\ndef late():\n    {late}\n"

    def _found(self, name: str) -> list[tuple[str, str]]:
        return list(self.takes[name].items())

    def expected(self, name: str) -> dict[str, Any]:
        seen = {other: self.values[other] for other in self.takes[name]}
        return {"value": self.values[name], "seen": seen, "late": seen}

    def bundle(self, names: set[str]) -> Bundle:
        """What a caller sends that needs modules of these names."""
        for name in MODULES:
            (self.folder / PACKAGE / f"{name}.py").write_text(self.text(name))
        importlib.invalidate_caches()
        project = ProjectModules()
        reached = project.reached([PACKAGE, *(f"{PACKAGE}.{name}" for name in names)])
        known = {each.name: each.key for each in look_at(reached, {}, project, {})}
        shipped = tuple(
            Shipped(name, known[name], each.digest, each.file, each.package)
            for name, each in sorted(reached.items())
        )
        return Bundle(
            shipped, (worker_runtime.pack({name: each.text for name, each in reached.items()}),)
        )


def found(name: str) -> dict[str, Any]:
    """What code on the worker finds."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    through = sys.modules[f"{PACKAGE}.{name}"]
    package = sys.modules[PACKAGE]
    assert getattr(package, name).VALUE == through.VALUE == module.VALUE
    return {"value": module.VALUE, "seen": module.SEEN, "late": module.late()}


@contextlib.contextmanager
def package(takes: dict[str, dict[str, str]]) -> Iterator[Package]:
    with tempfile.TemporaryDirectory() as folder:
        made = Package(Path(folder), takes)
        (made.folder / PACKAGE).mkdir()
        (made.folder / PACKAGE / "__init__.py").touch()
        sys.path.insert(0, folder)
        try:
            yield made
        finally:
            sys.path.remove(folder)


TAKES = st.fixed_dictionaries(
    {
        name: st.dictionaries(st.sampled_from(MODULES[:number]), st.sampled_from(sorted(WAYS)))
        if number
        else st.just({})
        for number, name in enumerate(MODULES)
    }
)
CALLS = st.sets(st.sampled_from(MODULES), min_size=1)
# A change of one module and a call that needs some; whether it goes on while others follow.
STEPS = st.lists(st.tuples(st.sampled_from(MODULES), st.integers(0, 2), CALLS, st.booleans()))


class Calls:
    """Calls that are going on, each with what it is to find."""

    def __init__(self) -> None:
        self._store = Store()
        self._calls: list[tuple[contextvars.Context, Any, dict[str, dict[str, Any]]]] = []

    def begin(self, bundle: Bundle, expected: dict[str, dict[str, Any]]) -> None:
        context, call = contextvars.Context(), self._store.active(bundle, [])
        context.run(call.__enter__)
        self._calls.append((context, call, expected))

    def check(self) -> None:
        """The latest call looks first."""
        for context, _, expected in reversed(self._calls):
            assert {name: context.run(found, name) for name in expected} == expected

    def end(self, number: int) -> None:
        context, call, _ = self._calls.pop(number)
        context.run(call.__exit__, None, None, None)

    def end_all(self) -> None:
        while self._calls:
            self.end(0)


@given(TAKES, STEPS)
def test_each_call_finds_the_modules_of_its_own_time(
    takes: dict[str, dict[str, str]], steps: list[tuple[str, int, set[str], bool]]
) -> None:
    sent = []
    with package(takes) as made:
        for changed, value, names, goes_on in steps:
            made.values[changed] = value
            expected = {name: made.expected(name) for name in sorted(names)}
            sent.append((made.bundle(names), expected, goes_on))
    calls = Calls()
    with contextlib.ExitStack() as stack:
        stack.callback(calls.end_all)
        for bundle, expected, goes_on in sent:
            calls.begin(bundle, expected)
            calls.check()
            if not goes_on:
                calls.end(-1)
                calls.check()
        for _ in range(sum(goes_on for *_, goes_on in steps)):
            calls.end(0)
            calls.check()
    assert not [name for name in sys.modules if name.startswith(PACKAGE)]


def a_module(text: str, digest: str) -> Bundle:
    shipped = Shipped("kept_by_it", digest, digest, "/kept_by_it.py", False)
    return Bundle((shipped,), (worker_runtime.pack({"kept_by_it": text}),))


def test_what_was_replaced_is_released_once_no_call_uses_it() -> None:
    now = 0.0
    store = Store(clock=lambda: now)
    text = "class Model:\n    pass\nMODEL = Model()\n"
    old, new = a_module(text, "old"), a_module(f"\n{text}", "new")

    def model() -> Any:
        return importlib.import_module("kept_by_it").MODEL

    context, call = contextvars.Context(), store.active(old, [])
    context.run(call.__enter__)
    kept = weakref.ref(context.run(model))
    now = 100.0
    with store.active(new, []):
        assert model() is not kept()
    assert context.run(model) is kept()
    context.run(call.__exit__, None, None, None)

    now = 105.0  # Another call of the old code may follow.
    with store.active(new, []):
        assert kept() is not None
    del context
    now = 111.0
    with store.active(new, []):
        assert kept() is None


def test_what_did_not_change_is_kept_with_its_state() -> None:
    store = Store()
    text = "CALLS = []\n"
    same = Shipped("kept_by_it", "key", "digest", "/kept_by_it.py", False)

    def bundle(number: int) -> Bundle:
        other = Shipped("beside_it", f"{number}", f"{number}", "/beside_it.py", False)
        texts = {"kept_by_it": text, "beside_it": f"NUMBER = {number}\n"}
        return Bundle((same, other), (worker_runtime.pack(texts),))

    for number in range(3):
        with store.active(bundle(number), []):
            kept, beside = map(importlib.import_module, ("kept_by_it", "beside_it"))
            assert number == beside.NUMBER
            assert len(kept.CALLS) == number
            kept.CALLS.append(number)


def test_what_another_version_may_have_undone_is_executed_again() -> None:
    """Also for a call that has no part in the change."""
    store = Store()
    state = Shipped("kept_by_it", "key", "digest", "/kept_by_it.py", False)

    def bundle(number: int) -> Bundle:
        key, text = str(number), f"import kept_by_it\nkept_by_it.VALUE = {number}\n"
        setter = Shipped("set_by_it", key, key, "/set_by_it.py", False)
        texts = {"kept_by_it": "VALUE = 0\n", "set_by_it": text}
        return Bundle((state, setter), (worker_runtime.pack(texts),))

    first = bundle(1)
    for number, sent in ((1, first), (2, bundle(2)), (1, bundle(1)), (1, first)):
        with store.active(sent, []):
            importlib.import_module("set_by_it")
            assert number == importlib.import_module("kept_by_it").VALUE


def test_calls_that_begin_and_end_take_nothing_away_that_another_is_importing() -> None:
    """A thread of the function's own is about to execute the module."""
    store = Store()
    bundle, another = a_module("VALUE = 1\n", "digest"), a_module("VALUE = 2\n", "other")
    began, go = threading.Event(), threading.Event()
    found: list[Any] = []

    def pause(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code is Store.exec_module.__code__:
            sys.setprofile(None)
            began.set()
            assert go.wait(30)

    def imports() -> None:
        sys.setprofile(pause)
        try:
            found.append(importlib.import_module("kept_by_it").VALUE)
        except BaseException as error:  # noqa: BLE001 - it is what the test looks at
            found.append(error)

    context, call = contextvars.Context(), store.active(bundle, [])
    context.run(call.__enter__)
    thread = threading.Thread(target=context.run, args=(imports,))
    thread.start()
    assert began.wait(30)
    for each in (bundle, another):
        beside = contextvars.Context()
        other = store.active(each, [])
        beside.run(other.__enter__)
        beside.run(other.__exit__, None, None, None)
    go.set()
    thread.join(30)
    context.run(call.__exit__, None, None, None)
    assert found == [1]
