"""Parsing beside other threads that parse, with a garbage collector's callback in between."""

from __future__ import annotations

import ast
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_flash.functions.onworker.parsing import parse
from pytest_flash.functions.shipping.loaded_source import LoadedTexts
from tests.support.environment import ROOT

TEXT = (ROOT / "tests" / "test_layout.py").read_text(encoding="utf-8")


@contextmanager
def between(work: threading.Event | None = None, *, nested: str = "") -> Iterator[list[str]]:
    """In each collection of garbage, and there are many, other threads get their turn."""
    before, seen = gc.get_threshold(), list[str]()

    def callback(phase: str, _: object) -> None:
        if nested and not seen:
            seen.append(phase)
            deeper(nested)
        if work is not None:
            work.wait(0.0001)

    gc.callbacks.append(callback)
    gc.set_threshold(50, 5, 5)
    try:
        yield seen
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(callback)


def deeper(text: str, depth: int = 20) -> None:
    """Parse it at another depth of the stack."""
    if depth:
        deeper(text, depth - 1)
    else:
        ast.parse(text)


def test_threads_that_parse_at_once_all_succeed() -> None:
    trees: list[int] = []
    failed: list[SystemError] = []

    def work(depth: int) -> None:
        try:
            if depth:
                work(depth - 1)
            else:
                trees.extend(len(parse(TEXT).body) for _ in range(3))
        except SystemError as error:
            failed.append(error)

    with between(threading.Event()):
        threads = [threading.Thread(target=work, args=(5 * number,)) for number in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
    assert failed == []
    assert len(trees) == 9
    assert len(set(trees)) == 1


def test_somebody_elses_parse_in_the_middle_does_no_harm() -> None:
    with between(nested="x = [1, (2, 3)]") as seen:
        tree = parse(TEXT)
    assert seen
    assert ast.dump(tree) == ast.dump(parse(TEXT))


@pytest.mark.parametrize(
    ("source", "error"), [("def", SyntaxError), ("a\0b", (ValueError, SyntaxError))]
)
def test_errors_are_those_of_the_source(source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(source)


def test_texts_are_kept_while_other_threads_import() -> None:
    import sys
    import types

    stop = threading.Event()

    def imports() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            name = f"_flash_imported_{number % 500}"
            if sys.modules.pop(name, None) is None:
                sys.modules[name] = types.ModuleType(name)

    thread = threading.Thread(target=imports)
    thread.start()
    try:
        with between(threading.Event()):
            for _ in range(20):
                LoadedTexts().keep()
    finally:
        stop.set()
        thread.join(60)
        for number in range(500):
            sys.modules.pop(f"_flash_imported_{number}", None)
