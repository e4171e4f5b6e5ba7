"""The interpreter that hermetic workers run on: the base Python, with no packages around it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...errors import EmulatorError

# ssl and ctypes as examples of compiled modules, which must be found from the new place too.
_PROBE = "import sys, ssl, ctypes, encodings; print(sys.version)"
_PROBE_TIMEOUT = 30.0


class Interpreters:
    """Makes bare virtual environments: a link to the base Python and an empty site-packages.

    The environment is for the processes that user code starts with ``sys.executable``: under
    the base Python itself they would see whatever is installed there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def executable(self) -> Path:
        """A ``python`` of this interpreter's version that runs with ``-I -S``.

        Raises EmulatorError when no base interpreter of this Python can be run.
        """
        tried = []
        for base in _base_executables():
            place = (
                self._folder / hashlib.sha256(f"{base}\n{sys.version}".encode()).hexdigest()[:24]
            )
            python = place / "bin" / "python"
            if python.exists():
                return python
            problem = self._make(place, base)
            if problem is None:
                return python
            tried.append(f"  {base}: {problem}")
        raise EmulatorError(
            "no Python was found to run workers with; tried\n" + "\n".join(tried or ["  nothing"])
        )

    def _make(self, place: Path, base: Path) -> str | None:
        """Build, try and put in place; what went wrong, or None."""
        self._folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            _lay_out(made, base)
            problem = _try(made / "bin" / "python")
            if problem is None:
                made.rename(place)
            return problem
        except OSError as error:
            return None if place.exists() else str(error)  # another process may have been first
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _base_executables() -> Iterator[Path]:
    """Candidates, the best first; ``_base_executable`` is what the venv module itself uses."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [
        getattr(sys, "_base_executable", None),
        Path(sys.base_prefix) / "bin" / name,
        Path(sys.executable).resolve(),
    ]
    for candidate in dict.fromkeys(Path(one) for one in candidates if one):
        if os.access(candidate, os.X_OK):
            yield candidate


def _lay_out(place: Path, base: Path) -> None:
    packages = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (packages / "site-packages").mkdir(parents=True)
    (place / "bin").mkdir()
    for name in ("python", "python3"):
        (place / "bin" / name).symlink_to(base)
    (place / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
        f"version = {'.'.join(map(str, sys.version_info[:3]))}\n",
        encoding="utf-8",
    )


def _try(python: Path) -> str | None:
    try:
        answer = subprocess.run(
            [python, "-I", "-S", "-B", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if answer.returncode != 0:
        return answer.stderr.strip() or f"exit code {answer.returncode}"
    if answer.stdout.strip() != sys.version.strip():
        return f"it is another Python: {answer.stdout.strip()}"
    return None
