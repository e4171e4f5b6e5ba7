"""The arrows point down: who may import whom, and how large folders and files may be."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.environment import ROOT

# What the packages, and the modules beside them, may import of each other; ``clock`` is everyone's.
# Below a package that is named here lie its sub-packages; a line that names one allows no other.
ALLOWED = {
    "errors": "",
    "clock": "",
    "events": "errors",
    "progress": "events",
    "scope": "",
    "user_files": "",
    "import_times": "",
    "shadowed_modules": "user_files",
    "network": "errors",
    "backoff": "",
    "rate_limit": "",
    "wire": "",
    "http": "security",
    "files": "errors network",
    "process": "",
    "security": "errors",
    "project": "errors files",
    "settings": "errors files network security",
    "target": "errors network process scope security settings",
    "resources": "errors security wire",
    "runpod": "backoff errors http network rate_limit resources scope security settings target "
    "wire",
    "sdks": "emulator.startup errors network settings",
    "emulator": "backoff errors files functions.onworker http network process project rate_limit "
    "scope settings wire",
    "functions": "backoff errors events import_times process rate_limit resources runpod security "
    "session settings shadowed_modules target user_files",
    "provisioner": "errors events files functions.declaration network process resources runpod "
    "security settings target wire",
    "worker_packages": "emulator.startup functions.declaration functions.shipping provisioner "
    "settings target",
    "session": "errors events functions project provisioner resources runpod settings target "
    "worker_packages",
    "console": "errors events functions network process progress runpod security",
    "runner": "console emulator.client errors events files functions http process progress project "
    "provisioner runpod sdks session settings shadowed_modules target user_files",
    "testing": "emulator.client emulator.startup errors events files functions http process "
    "progress project provisioner resources runner.app runner.serving runpod sdks session settings "
    "target worker_packages",
    "fixtures": "emulator.client errors runner.app runner.serving testing",
    "plugin": "fixtures import_times sdks shadowed_modules testing",
    "missing_names": "errors events testing",
    "": "errors functions missing_names resources shadowed_modules",
    "__main__": "flash_cli",
    "flash_cli": "console emulator errors events functions process progress project provisioner "
    "runner runpod session settings target",
}
# The sub-packages of a package, the lowest first: each may import those before it, and none of
# the modules above them.
LAYERS = {
    "emulator": "worker server startup account packages queue faults processes scheduler "
    "management graphql planes client",
    "emulator.worker": "process http output",
    "functions": "declaration onworker shipping protocol errors output calling",
    "provisioner": "state",
    "runner": "app console serving reload",
    "testing": "observing",
}
# Packages of others that belong to one place.
OWNERS = {"pytest": {"plugin", "fixtures", "testing"}, "click": {"flash_cli"}}

MOST_MODULES, MOST_LINES = 20, 400

Edges = Mapping[str, set[str]]


@cache
def modules() -> dict[str, Path]:
    """The product's modules by their names, without ``pytest_flash.`` in front."""
    files = (file for top in ("pytest_flash", "flash_cli") for file in (ROOT / top).rglob("*.py"))
    return {_name(file): file for file in files}


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "pytest_flash" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(name: str) -> Iterator[str]:
    """What a module imports, also where only type checkers or a function do so."""
    file = modules()[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    top = "flash_cli" if name.startswith("flash_cli") else "pytest_flash"
    full = [part for part in (top if top == "pytest_flash" else "", package) if part]
    above = ".".join(full).split(".")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for each in node.names:
                known = _ours(f"{base}.{each.name}") in modules()
                yield f"{base}.{each.name}" if known else base


def _ours(name: str) -> str:
    return name.removeprefix("pytest_flash").removeprefix(".")


@cache
def edges() -> Edges:
    """Which of our modules each module imports."""
    known = modules()
    tops = ("pytest_flash", "flash_cli")
    return {
        name: {
            _ours(each)
            for each in imported(name)
            if each.partition(".")[0] in tops and _ours(each) in known
        }
        - {name}
        for name in known
    }


def place(module: str) -> str:
    """The folder of a module; directly in ``pytest_flash`` each module is a place of its own."""
    is_package = modules()[module].name == "__init__.py"
    return module if is_package or "." not in module else module.rpartition(".")[0]


def between_places(edges: Edges) -> dict[str, set[str]]:
    """``edges``, of modules, as edges of their places."""
    found: dict[str, set[str]] = {}
    for module, others in edges.items():
        here = place(module)
        found.setdefault(here, set()).update({place(each) for each in others} - {here})
    return found


def is_allowed(here: str, there: str) -> bool:
    """Whether the tables let the place ``here`` import the place ``there``."""
    first, other = here.partition(".")[0], there.partition(".")[0]
    if there == "clock":
        return True
    if first != other:
        allowed = ALLOWED.get(first, "").split()
        return any(f"{there}.".startswith(f"{each}.") for each in allowed)
    if there.startswith(f"{here}."):
        return True  # A package puts its sub-packages together.
    common = first
    while step(common, here) == step(common, there) != common:
        common = step(common, there)
    order = LAYERS.get(common, "").split()
    mine, its = (step(common, each).removeprefix(f"{common}.") for each in (here, there))
    return mine in order and its in order and order.index(its) < order.index(mine)


def step(above: str, place: str) -> str:
    """The package below ``above`` in which ``place`` is; ``above`` itself where it is that."""
    return ".".join(place.split(".")[: above.count(".") + 2])


def forbidden(edges: Edges) -> list[str]:
    """The edges of places that the tables do not allow."""
    found = between_places(edges)
    pairs = [(here, there) for here in found for there in found[here]]
    return sorted(f"{here} -> {there}" for here, there in pairs if not is_allowed(here, there))


def cycle(edges: Edges) -> list[str]:
    """One cycle of ``edges``, if there is any."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def too_many(files: list[Path]) -> dict[str, int]:
    """Folders with more modules than one can look through."""
    counted = Counter(str(each.parent) for each in files if each.name != "__init__.py")
    return {folder: count for folder, count in counted.items() if count > MOST_MODULES}


def python_files() -> list[Path]:
    tops = ("pytest_flash", "flash_cli", "tests")
    return [each for top in tops for each in (ROOT / top).rglob("*.py")]


def test_packages_import_what_the_tables_allow() -> None:
    assert forbidden(edges()) == []


def test_there_is_no_cycle() -> None:
    assert cycle(edges()) == []
    assert cycle(between_places(edges())) == []


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_of_others_is_imported_in_its_place(package: str) -> None:
    found = {
        name.partition(".")[0]
        for name in modules()
        if package in {each.partition(".")[0] for each in imported(name)}
    }
    assert found <= OWNERS[package]


def test_the_tables_name_what_there_is() -> None:
    places = {place(each) for each in modules()}
    named = {each for line in ALLOWED.values() for each in line.split()} | set(ALLOWED)
    named |= {f"{top}.{each}" for top, line in LAYERS.items() for each in line.split()}
    assert named - places == set()


def test_no_folder_and_no_file_is_too_large() -> None:
    files = python_files()
    assert too_many(files) == {}
    lines = {str(each): len(each.read_text(encoding="utf-8").splitlines()) for each in files}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("errors", "target"),
        ("runpod.queue", "provisioner.plan"),
        ("emulator.queue.jobs", "emulator.scheduler.endpoint"),
        ("emulator.queue.jobs", "emulator.main"),
        ("runner.supervisor", "emulator.scheduler.endpoint"),
        ("console.app", "flash_cli.main"),
    ],
)
def test_a_wrong_import_is_found(module: str, other: str) -> None:
    assert forbidden({module: {other}}) == [f"{place(module)} -> {place(other)}"]


def test_a_cycle_is_found() -> None:
    there, back = "runpod.queue", "runpod.retry"
    assert cycle({there: {back}, back: {there}})


def test_a_large_folder_is_found() -> None:
    files = [ROOT / "folder" / f"module{number}.py" for number in range(MOST_MODULES + 1)]
    assert too_many(files[1:]) == {}
    assert too_many(files) == {str(ROOT / "folder"): MOST_MODULES + 1}
