"""Prints the lines of the product that no test runs: ``python -m tests.coverage [ARGUMENT ...]``.

Arguments go to pytest. Needs Python 3.12 or newer, whose ``sys.monitoring`` reports each line once
and then costs nothing. Every process of the product is measured, workers included; a line is
written down when it first runs, since many of these processes end by SIGKILL, which coverage's own
recording does not survive. The report is coverage's.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import coverage

from tests.support.environment import ROOT, SHARED

PACKAGES = ("pytest_flash", "flash_cli")
ONWORKER = "pytest_flash/functions/onworker"
BOOTSTRAP = "pytest_flash/emulator/worker/bootstrap.py"
FIRST_STATEMENT = "import importlib\n"

# Runs in every process: at the interpreter's start where it has site-packages, else as the first
# statement of the worker's bootstrap. The worker's copy of onworker is compiled from text.
RECORDER = """\
import os, sys
_monitoring = sys.monitoring
def _record(code, line, _open=[]):
    name = code.co_filename
    if name == "<pytest-flash>":
        module = sys._getframe(1).f_globals.get("__name__", "").rpartition(".")[2]
        name = {root!r} + "/{onworker}/" + module + ".py"
    if name.startswith({packages!r}):
        if not _open:
            _open.append(os.open({data!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC))
        try:
            os.write(_open[0], (name + "\\t" + str(line) + "\\n").encode())
        except OSError:
            _open.clear()
    return _monitoring.DISABLE
if _monitoring.get_tool(_monitoring.COVERAGE_ID) is None:
    _monitoring.use_tool_id(_monitoring.COVERAGE_ID, "lines")
    _monitoring.register_callback(_monitoring.COVERAGE_ID, _monitoring.events.LINE, _record)
    _monitoring.set_events(_monitoring.COVERAGE_ID, _monitoring.events.LINE)
"""

# What is there for type checkers alone, or says that it is never reached.
EXCLUDED = (
    r"if TYPE_CHECKING:",
    r"^\s*\.\.\.$",
    r"@overload",
    r"assert_never\(",
    r"class .*Protocol",
)


def main(arguments: list[str]) -> int:
    """Run the tests on an instrumented copy and print what nothing ran; pytest's exit code."""
    if sys.version_info < (3, 12):
        sys.exit("tests.coverage needs Python 3.12 or newer, for sys.monitoring")
    with tempfile.TemporaryDirectory(prefix="flash-coverage-") as folder:
        root, data = Path(folder, "pytest-flash"), Path(folder, "lines")
        _copy(root)
        python = _environment(Path(folder, "environment"), root)
        _instrument(root, data, python)
        done = subprocess.run([python, "-m", "pytest", *arguments], cwd=root, check=False)
        _report(root, data)
    return done.returncode


def _copy(root: Path) -> None:
    """The working tree, with the official schema beside it where there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    if SHARED.is_dir():
        (root.parent / SHARED.name).symlink_to(SHARED)


def _environment(folder: Path, root: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "-e", f"{root}[test]"]
    subprocess.run(install, check=True)
    return python


def _instrument(root: Path, data: Path, python: Path) -> None:
    recorder = RECORDER.format(
        root=str(root),
        onworker=ONWORKER,
        packages=tuple(f"{root}/{package}/" for package in PACKAGES),
        data=str(data),
    )
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    Path(site, "_flash_lines.py").write_text(recorder)
    Path(site, "_flash_lines.pth").write_text("import _flash_lines\n")
    bootstrap = root / BOOTSTRAP
    text = bootstrap.read_text()
    assert FIRST_STATEMENT in text
    # On one line, so that the numbers of all others stay.
    start = f"exec({recorder!r}); {FIRST_STATEMENT}"
    bootstrap.write_text(text.replace(FIRST_STATEMENT, start, 1))


def _report(root: Path, data: Path) -> None:
    lines: defaultdict[str, set[int]] = defaultdict(set)
    for name, line in _recorded(data):
        lines[name].add(line)
    measured = coverage.Coverage(
        data_file=None, config_file=False, source=[str(root / each) for each in PACKAGES]
    )
    for pattern in EXCLUDED:
        measured.exclude(pattern)
    found = measured.get_data()
    found.add_lines(lines)
    for package in PACKAGES:
        found.touch_files([str(each) for each in (root / package).rglob("*.py")])
    text = io.StringIO()
    measured.report(show_missing=True, skip_covered=True, file=text)
    print(text.getvalue().replace(f"{root}/", ""))


def _recorded(data: Path) -> Iterator[tuple[str, int]]:
    with data.open() as file:
        for record in file:
            name, _, line = record.rstrip("\n").rpartition("\t")
            if line.isdigit() and Path(name).is_file():
                yield name, int(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
