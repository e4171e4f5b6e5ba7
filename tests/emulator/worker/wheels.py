"""Distributions made on the fly: wheels, and environments they are installed in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> Path:
    """Write a wheel; without ``files`` it has one package, named like it, with a VERSION."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    if files is None:
        files = {f"{name.replace('-', '_')}/__init__.py": f"VERSION = {version!r}\n"}
    contents = dict(files) | {
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


def install(site: Path, wheel: Path) -> Path:
    """Unpack a wheel the way an installer does; the ``.dist-info`` folder."""
    site.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    name, version = wheel.name.split("-")[:2]
    return site / f"{name}-{version}.dist-info"


def make_editable(info: Path) -> None:
    """Mark an installed distribution as editable (PEP 610)."""
    document = {"url": "file:///project", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(document))


def make_project(folder: Path, build: str) -> Path:
    """A source project whose build runs the given statements; its backend needs no package."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        dedent("""
            [build-system]
            requires = []
            build-backend = "backend"
            backend-path = ["."]
        """)
    )
    (folder / "backend.py").write_text(
        "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n"
        + "".join(f"    {line}\n" for line in dedent(build).strip().splitlines())
    )
    return folder
