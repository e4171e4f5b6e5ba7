"""Whether this process belongs to a pytest run: then it spends no money by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePath

# pytest 8.2 and newer; any pytest while a test runs; pytest-xdist.
_VARIABLES = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER")
# Every run imports it, since it cannot be left out; `import pytest` does not.
_ESSENTIAL_PLUGIN = "_pytest.helpconfig"
_PROGRAMS = ("pytest", "py.test", "_jb_pytest_runner.py", "run_pytest_script.py")
# pytest-xdist gives its workers this title where setproctitle is installed.
_TITLE = "[pytest-xdist"
_PYTHONS = ("python", "pypy")
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
_PROC = Path("/proc")
_PS_SECONDS = 5.0
# Further up there are only sessions and init systems.
_HIGHEST = 64


def belongs_to_pytest(environment: Mapping[str, str]) -> bool:
    """Whether a pytest run is in this process, was in it, or is above it.

    ``environment`` is the process's own. A run that is over counts: what it began, such as a thread
    of the app, may go on. Looking at the processes above costs some file reads, on macOS a ``ps``.
    """
    return is_inside_pytest(environment) or any(map(runs_pytest, _commands_above()))


def is_inside_pytest(environment: Mapping[str, str]) -> bool:
    """As ``belongs_to_pytest``, as far as this process knows by itself."""
    return _ESSENTIAL_PLUGIN in sys.modules or any(map(environment.get, _VARIABLES))


def runs_pytest(command: Sequence[str]) -> bool:
    """Whether a command line is that of a pytest run, as far as it tells."""
    if not command:
        return False
    program, *arguments = command
    if _is_pytest(program) or program.startswith(_TITLE):
        return True
    if any(each == "-mpytest" for each in arguments):
        return True
    for first, second in pairwise(arguments):
        if first == "-m" and _is_pytest(second):
            return True
        if first == "-c" and "pytest.main(" in second:
            return True
    scripts = [_script(arguments)]
    if PurePath(program).name.startswith(_PYTHONS):
        # Programs that run others: a profiler, a debugger, coverage.
        scripts += [each for each in arguments if "/" in each]
    return any(map(_is_pytest, scripts))


def _script(arguments: Sequence[str]) -> str:
    """The first argument that is neither an option of an interpreter nor an option's value."""
    value = False
    for each in arguments:
        if value:
            value = False
        elif each in _WITH_VALUE:
            value = True
        elif not each.startswith("-"):
            return each
    return ""


def _is_pytest(path: str) -> bool:
    folder = PurePath(path)
    return folder.name in _PROGRAMS or folder.parts[-2:] == ("pytest", "__main__.py")


def _commands_above() -> Iterator[Sequence[str]]:
    """The command lines of the parent, its parent and so on, as far as they can be seen."""
    if (_PROC / "self/stat").exists():
        yield from _commands_in_proc(os.getppid())
    else:
        yield from _commands_by_ps(os.getppid())


def _commands_in_proc(pid: int) -> Iterator[Sequence[str]]:
    for _ in range(_HIGHEST):
        try:
            line = (_PROC / str(pid) / "cmdline").read_bytes()
            # proc(5): the name in brackets may hold anything; the parent is the second field after.
            stat = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return  # It has just ended, or may not be looked at.
        yield line.decode("utf-8", "replace").rstrip("\0").split("\0")
        pid = int(stat[1])
        if pid == 0:
            return


def _commands_by_ps(pid: int) -> Iterator[Sequence[str]]:
    import subprocess  # Only where there is no /proc.

    try:
        listing = subprocess.run(
            ["ps", "-axww", "-o", "pid=,ppid=,command="],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PS_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    processes: dict[int, tuple[int, list[str]]] = {}
    for line in listing.splitlines():
        number, parent, *command = line.split()
        processes[int(number)] = int(parent), command
    for _ in range(_HIGHEST):
        if pid not in processes:
            return
        pid, command = processes[pid]
        yield command
