"""Folders of packages installed for workers, one for each set of requirements, kept in a cache:
of links to the packages, which sets share."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...clock import monotonic
from .installer import Installer
from .package_store import PackageStore
from .requirements import Dependency, DependencyError

# In seconds, for waiting and installing; under the 300 that a worker waits for its answer.
_DEADLINE = 290.0
_LOCK_STEP = 0.5
# The folders of a cache for the sets, and for the packages themselves.
OVERLAYS, PACKAGES = "overlays", "packages"


class Overlays:
    """Installs each set of requirements once for all emulators that share the cache folder."""

    def __init__(self, folder: Path, installer: Installer, *, deadline: float = _DEADLINE) -> None:
        self._folder = folder
        self._store = PackageStore(folder.parent / PACKAGES)
        self._installer = installer
        self._deadline = deadline

    def build(self, dependencies: Sequence[Dependency], *, python: Path) -> Path:
        """The folder with these packages and all that they require.

        Blocks while another process installs the same set. A failure leaves nothing behind.
        Raises DependencyError with the installer's last words.
        """
        texts = sorted({one.text for one in dependencies})
        overlay = self._folder / _key(texts)
        if _is_whole(overlay):
            os.utime(overlay)  # For `flash prune`.
            return overlay
        until = monotonic() + self._deadline
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock(overlay, until):
            if not _is_whole(overlay):
                shutil.rmtree(overlay, ignore_errors=True)
                self._install(texts, overlay, python, until - monotonic())
        return overlay

    def _install(self, texts: Sequence[str], overlay: Path, python: Path, timeout: float) -> None:
        made = overlay.with_suffix(".new")
        # Left by an emulator that was killed: only the holder of the lock works here.
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        try:
            self._installer.install(texts, made, python=python, timeout=timeout)
            self._store.share(made)
            made.rename(overlay)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @contextmanager
    def _lock(self, overlay: Path, until: float) -> Iterator[None]:
        lock = FileLock(overlay.with_suffix(".lock"))
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_LOCK_STEP)
            except Timeout:
                if self._installer.closed:
                    raise DependencyError("the emulator is stopping") from None
                if monotonic() > until:
                    text = f"another process has been installing them for {self._deadline:.0f} s"
                    raise DependencyError(f"{text} ({lock.lock_file} is locked)") from None
        try:
            yield
        finally:
            lock.release()


def _is_whole(overlay: Path) -> bool:
    """Whether it is there, with all that it links to."""
    try:
        return all(each.exists() for each in overlay.iterdir())
    except OSError:
        return False


def _key(texts: Sequence[str]) -> str:
    """Python, platform and requirements; for a local file or folder also its last change."""
    marks = [f"{text} {_stamp(Path(text))}" if text.startswith("/") else text for text in texts]
    abi = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
    return hashlib.sha256(
        "\n".join([str(abi), sysconfig.get_platform(), *marks]).encode()
    ).hexdigest()[:24]


def _stamp(path: Path) -> int:
    """The newest modification of a file or below a folder, in ns; 0 when it is not there.

    Bytecode does not count: building a project may leave some.
    """
    files = [path] if path.is_file() else []
    for folder, _, names in os.walk(path):
        if "__pycache__" not in folder:
            files += (Path(folder) / name for name in names)
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
