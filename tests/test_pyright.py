"""How the package looks to pyright, which comes with editors."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support import typed
from tests.support.environment import clean_environment
from tests.support.guides import PYTEST_GUIDE, files
from tests.support.system.package_index import need_package_index

# Of strict mode all but what is a matter of how the examples are written.
SETTINGS = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "reportUnusedVariable": False,
    "reportWildcardImportFromLibrary": False,
}


@pytest.fixture
def pyright(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """pyright, with a Node.js of its own."""
    if not request.config.getoption("soak"):
        pytest.skip("installs pyright: with --soak")
    need_package_index()
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    subprocess.run([programs / "pip", "install", "-q", "pyright[nodejs]"], check=True, timeout=600)
    return programs / "pyright"


def test_it_finds_what_is_wrong_and_nothing_else(pyright: Path, tmp_path: Path) -> None:
    sources = {**typed.CALLS, **typed.TESTS, **files(PYTEST_GUIDE)}
    folder = tmp_path / "project"
    folder.mkdir()
    for name, source in sources.items():
        (folder / name).write_text(source)
    (folder / "pyrightconfig.json").write_text(json.dumps(SETTINGS))
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "--outputjson"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    found: dict[str, set[int]] = {name: set() for name in sources}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        found[Path(each["file"]).name].add(each["range"]["start"]["line"] + 1)
    assert found == {name: typed.marked(source) for name, source in sources.items()}, done.stdout
