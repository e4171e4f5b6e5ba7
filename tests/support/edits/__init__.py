"""Ways to import modules of a project, and to edit them: one small app that has them all.

Each way is a remote function ``answer`` in a module of its own, which runs in the web process
(``here``) and on a worker (``there``). After each save both must answer alike.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.support.edits import imports, saves
from tests.support.edits.way import HOME, Answer, Files, Same, Save, SupervisorLink, Way

__all__ = ["KINDS", "WAYS", "Answer", "Files", "Project", "Save", "Way"]

WAYS: dict[str, Way] = {**imports.WAYS, **saves.WAYS}
KINDS = ("queue", "load balancer")

_MAIN = """\
import importlib
from fastapi import FastAPI
from homes import HOMES

app = FastAPI()
FUNCTIONS = {name: importlib.import_module(home).answer for name, home in HOMES.items()}


def said(error):
    return f"{type(error).__name__}: {error}"


@app.get("/{name}")
async def ask(name: str):
    try:
        here = FUNCTIONS[name].local()
    except Exception as error:
        here = said(error)
    try:
        there = await FUNCTIONS[name]()
    except Exception as error:
        there = said(error)
    return {"here": here, "there": there}
"""
_ENDPOINT = """\
import pytest_flash

BALANCED = %r
kind = pytest_flash.CpuLiveLoadBalancer if BALANCED else pytest_flash.CpuLiveServerless
endpoint = kind(name="edits", workersMax=1)


def route(name):
    return {"method": "POST", "path": f"/{name.replace('.', '/')}"} if BALANCED else {}
"""
# What an installer leaves in site-packages for a package that is to be edited.
_FINDER = """\
import importlib.util, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        folder = {folder!r}
        if name == "found":
            return importlib.util.spec_from_file_location(
                name, folder + "/__init__.py", submodule_search_locations=[folder]
            )

def install():
    sys.meta_path.append(Finder)
"""


class Project:
    """The app, in a folder below ``folder``, with packages beside it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._site = folder / "site"
        self.folder = folder / "project"
        self.homes = {name: way.home or f"way_{i}" for i, (name, way) in enumerate(WAYS.items())}
        self._install(folder)
        self._write(
            {
                "main.py": _MAIN,
                "homes.py": f"HOMES = {self.homes!r}\n",
                "endpoint.py": _ENDPOINT % (kind == "load balancer"),
                "pyproject.toml": '[project]\nname = "edits"\n',
            }
        )
        for name, way in WAYS.items():
            self.save(name, {**way.files, HOME: way.source()})

    @property
    def python_path(self) -> str:
        """The PYTHONPATH of a process in which the packages beside the project are installed."""
        return str(self._site)

    def save(self, name: str, files: Files) -> None:
        """Write, link and delete ``files`` of the way ``name``."""
        own = f"{self.homes[name].replace('.', '/')}.py"
        self._write({path or own: content for path, content in files.items()})

    def _install(self, folder: Path) -> None:
        packages = self._site / "site-packages"
        packages.mkdir(parents=True)
        customize = f"import site; site.addsitedir({str(packages)!r})\n"
        (self._site / "sitecustomize.py").write_text(customize)
        (packages / "__editable__.beside.pth").write_text(f"{folder / 'beside' / 'src'}\n")
        install = "import _finder_of_found as f; f.install()\n"
        (packages / "__editable__.found.pth").write_text(install)
        finder = _FINDER.format(folder=str(folder / "found" / "code"))
        (packages / "_finder_of_found.py").write_text(finder)

    def _write(self, files: Files) -> None:
        for path, content in files.items():
            file = self.folder / path
            if content is None:
                shutil.rmtree(file) if file.is_dir() else file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, SupervisorLink):
                made = file.with_name(f".{file.name}.new")
                made.symlink_to(content.target)
                made.rename(file)
            elif isinstance(content, Same):
                stamp = file.stat()
                assert stamp.st_size == len(content.text)
                file.write_text(content.text)
                os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            else:
                file.write_text(content)
