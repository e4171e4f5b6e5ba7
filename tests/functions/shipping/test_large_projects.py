"""Projects of many modules: what is known of a module is found out once."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.shipping.payload import Shipping
from pytest_flash.functions.shipping.source_facts import KnownSources, Learned, encoded
from tests.benchmarks.projects import write
from tests.functions.workers import MinimalWorker

MODULES = 300


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[FunctionSpec]]:
    """Functions of an app that imports many modules, which import each other."""
    project = write(tmp_path_factory.mktemp("many") / "project", MODULES)
    project.main.write_text(project.source)
    sys.path.insert(0, str(project.folder))
    try:
        main: Any = __import__("main")
        yield [getattr(main, f"work_{number}").spec for number in range(4)]
    finally:
        sys.path.remove(str(project.folder))
        forget("main", "warm", "parts")


def forget(*tops: str) -> None:
    """Let modules of these top-level names be imported anew."""
    for name in [each for each in sys.modules if each.partition(".")[0] in tops]:
        del sys.modules[name]


def learning(into: list[Learned], earlier: dict[str, bytes] | None = None) -> Shipping:
    """Shipping that adds what it learns of modules to ``into``."""
    return Shipping(known=KnownSources(earlier, into.append))


def test_a_further_function_costs_a_fraction_and_no_source_is_looked_at_twice(
    functions: list[FunctionSpec],
) -> None:
    learned: list[Learned] = []
    shipping, took = learning(learned), []
    for spec in functions:
        began = time.thread_time()
        shipping.call(spec, (), {})
        took.append(time.thread_time() - began)

    names = [name for each in learned for name in each]
    assert len(names) == len(set(names)) >= MODULES
    # Some 0.02 s; above 1 s where each function has all modules walked anew.
    assert min(took[1:]) < 0.3, took


def test_after_a_save_the_changed_module_alone_is_looked_at(functions: list[FunctionSpec]) -> None:
    first: list[Learned] = []
    learning(first).call(functions[0], (), {})
    (known,) = first
    name = "parts.part_7"
    changed = {name: ("another digest", known[name][1])}

    again: list[Learned] = []
    learning(again, earlier=encoded({**known, **changed})).call(functions[0], (), {})

    assert [each.keys() for each in again] == [{name}]
    assert again[0][name][1].imports == known[name][1].imports


def test_two_hundred_modules_that_each_import_the_next_are_imported_on_a_worker(
    minimal: MinimalWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = tmp_path / "chained"
    chain.mkdir()
    (chain / "__init__.py").touch()
    for number in range(200):
        text = f"from chained.link_{number + 1} import VALUE\n"
        (chain / f"link_{number}.py").write_text(text if number < 199 else "VALUE = 7\n")
    (tmp_path / "chaining.py").write_text(
        "import sys\nfrom pytest_flash import CpuLiveServerless, remote\n"
        "@remote(CpuLiveServerless(name='chain'))\n"
        "async def value():\n"
        "    before = sys.getrecursionlimit()\n"
        "    from chained.link_0 import VALUE\n"
        "    return VALUE, sys.getrecursionlimit() - before\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = __import__("chaining")
    try:
        assert minimal.outcome(module.value.spec).get() == (7, 0)
    finally:
        for name in [
            each for each in sys.modules if each.partition(".")[0] in ("chaining", "chained")
        ]:
            del sys.modules[name]
