"""An environment of their own for the official packages, made once for each machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from pytest_flash.emulator.packages.hermetic import default_cache
from tests.support.system.package_index import need_package_index

# cloudpickle: the official Flash image brings it, the packages do not. Ours, so that both sides of
# a comparison serialise alike.
REQUIREMENTS = ("runpod==1.12.0", "runpod-flash==1.1.1", "cloudpickle")
_TIMEOUT = 540
_LAST_LINES = 15


class InstallationError(Exception):
    """The official packages could not be installed; the text is pip's."""


def official_python(requirements: Sequence[str] = REQUIREMENTS) -> Path:
    """The interpreter of an environment with ``requirements``; installed where it is missing.

    Kept in the cache folder for later runs; processes that need it at once wait for the first.
    Without a package index to install it from, the test is skipped. Raises InstallationError.
    """
    folder = default_cache() / "conformance" / _key(requirements)
    python, finished = folder / "bin" / "python", folder / "finished"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), timeout=_TIMEOUT):
        if not finished.exists():
            need_package_index()
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            _run(str(python), "-m", "pip", "install", "--quiet", *requirements)
            finished.touch()
    return python


def _key(requirements: Sequence[str]) -> str:
    marks = (sys.version, sys.platform, os.uname().machine, *requirements)
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:16]


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise InstallationError(f"{' '.join(command)} failed; its last words:\n{last}")
