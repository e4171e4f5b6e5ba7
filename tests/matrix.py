"""Runs the plugin's tests beside other versions and plugins: ``python -m tests.matrix [NAME ...]``.

Each environment is made anew in a temporary folder; the projects that the tests write run on it,
the tests themselves on this Python.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.support.environment import ROOT

OLDEST, NEWEST = "pytest==8.4.0", "pytest"
OTHERS = ("pytest-xdist", "pytest-asyncio", "pytest-cov", "pytest-rerunfailures", "pytest-timeout")
TRIO = "trio"

ENVIRONMENTS = {
    "oldest-alone": (OLDEST,),
    "oldest": (OLDEST, *OTHERS, TRIO),
    "newest-alone": (NEWEST,),
    "newest": (NEWEST, *OTHERS, TRIO),
    **{f"with-{name}": (NEWEST, name) for name in OTHERS},
}


def main() -> int:
    """Run every environment that was named, by default all; 1 when one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--tests", nargs="*", default=["tests/plugin"], help="files or folders")
    options = parser.parse_args()
    failed = []
    for name in options.names or ENVIRONMENTS:
        with tempfile.TemporaryDirectory(prefix="flash-matrix-") as folder:
            print(f"== {name}: {', '.join(ENVIRONMENTS[name])}", flush=True)
            python = _make(Path(folder), ENVIRONMENTS[name])
            command = [sys.executable, "-m", "pytest", "-q", "-rs", *options.tests]
            if subprocess.run([*command, f"--plugin-python={python}"], cwd=ROOT).returncode:
                failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def _make(folder: Path, packages: tuple[str, ...]) -> Path:
    """A Python with pytest-flash, from here, and ``packages``."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "-e", str(ROOT), *packages]
    subprocess.run(install, check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
