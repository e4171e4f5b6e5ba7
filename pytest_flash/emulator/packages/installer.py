"""Runs uv or pip for the packages that workers need, so that it ends when we do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from .requirements import DependencyError

_LIFELINE = Path(__file__).parent.parent / "worker" / "lifeline.py"
_LAST_WORDS = 40
# Where pip looks for its configuration beside the environment's own folder.
_PIP_FILES = (
    "/etc/pip.conf",
    "/etc/xdg/pip/pip.conf",
    "/Library/Application Support/pip/pip.conf",
    "~/.pip/pip.conf",
    "~/.config/pip/pip.conf",
    "~/Library/Application Support/pip/pip.conf",
)
_PIP_SOURCES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")
_UV_SOURCES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_CONFIG_FILE",
)


class Installer:
    """Installs into folders with the user's own installer and its configuration."""

    def __init__(self) -> None:
        self._lifelines: set[int] = set()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once ``close`` was called."""
        return self._closed

    def install(
        self, dependencies: Sequence[str], target: Path, *, python: Path, timeout: float
    ) -> None:
        """Install requirements and what they require into an empty folder.

        ``python`` is the interpreter to install for, ``timeout`` in seconds. Raises
        DependencyError with the installer's last words, or why it was ended.
        """
        command = _command(dependencies, target, python)
        read, write = os.pipe()
        try:
            with self._lock:
                if self._closed:
                    raise DependencyError("the emulator is stopping")
                self._lifelines.add(write)
            process = subprocess.Popen(
                [python, "-I", "-S", "-B", _LIFELINE, *command],
                stdin=read,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=target,
                env=_environment(os.environ),
                start_new_session=True,
            )
        except BaseException:
            self._cut(write)
            raise
        finally:
            os.close(read)
        with process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                self._cut(write)
                output, _ = process.communicate()
                text = f"the installer was ended: it took more than {timeout:.0f} s"
                raise DependencyError(f"{text}\n{_last_words(output)}") from None
            finally:
                self._cut(write)
        if self._closed:
            raise DependencyError("the emulator is stopping")
        if process.returncode != 0:
            raise DependencyError(_last_words(output) or f"exit code {process.returncode}")

    def close(self) -> None:
        """End every installation that runs and refuse further ones; callable from any thread."""
        with self._lock:
            self._closed = True
            lifelines = list(self._lifelines)
        for lifeline in lifelines:
            self._cut(lifeline)

    def _cut(self, lifeline: int) -> None:
        with self._lock:
            if lifeline in self._lifelines:
                self._lifelines.remove(lifeline)
                os.close(lifeline)


def _command(dependencies: Sequence[str], target: Path, python: Path) -> list[str]:
    uv = None if _only_pip_is_configured(os.environ) else _find_uv()
    if uv is not None:
        options = ["--no-progress", "--color", "never", "--compile-bytecode"]
        where = ["--python", str(python), "--target", str(target)]
        return [uv, "pip", "install", *options, *where, "--", *dependencies]
    if PathFinder.find_spec("pip") is None:
        raise DependencyError(
            f"there is neither uv nor pip to install them with: {sys.executable} has no pip. "
            "Install uv, or pip into this environment"
        )
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    pip = [sys.executable, "-m", "pip", "install", *options]
    return [*pip, "--target", str(target), "--", *dependencies]


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _only_pip_is_configured(environ: Mapping[str, str]) -> bool:
    """uv does not read pip's configuration: a private index set there would go unasked."""
    # Past the finder of setuptools, which warns where distutils is loaded.
    if any(name in environ for name in _UV_SOURCES) or PathFinder.find_spec("pip") is None:
        return False
    files = [environ.get("PIP_CONFIG_FILE"), str(Path(sys.prefix) / "pip.conf"), *_PIP_FILES]
    return any(name in environ for name in _PIP_SOURCES) or any(
        Path(file).expanduser().is_file() for file in files if file
    )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's own, without Runpod's key (build scripts run in it) and what fights --target."""
    dropped = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_DRY_RUN", "UV_TARGET", "UV_PREFIX"}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in dropped and not name.startswith("RUNPOD_")
    }
    return kept | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def _last_words(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return "\n".join(lines[-_LAST_WORDS:])
