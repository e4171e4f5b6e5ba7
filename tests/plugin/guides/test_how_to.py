"""The how-to guides: their examples run as they stand there, over the app of their first page."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.environment import ROOT, clean_environment
from tests.support.guides import blocks, files
from tests.support.pytest_runs.downstream import Project

FOLDER = ROOT / "docs" / "how-to"
INDENTED = re.compile(r"^    (\S.*(?:\n    .*)*)", re.MULTILINE)


def test_their_tests_pass(project: Project, passes: Callable[..., None]) -> None:
    tests = 0
    for page in sorted(FOLDER.glob("*.md")):
        for name, text in files(page).items():
            if name != "script.py":
                project.write(name, text)
                tests += text.count("\ndef test_")
    assert tests == 7
    # Starlette asks for a package that comes after httpx.
    run = project.pytest("-W", "ignore:Using `httpx` with")
    passes(run, passed=tests - 1, skipped=1)  # One is for Runpod alone.


def test_the_script_prints_what_the_page_shows(variables: dict[str, str], tmp_path: Path) -> None:
    page = FOLDER / "scripts.md"
    (tmp_path / "script.py").write_text(files(page)["script.py"])
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    (shown,) = (each.text for each in blocks(page) if each.language == "text")
    assert fnmatch.fnmatchcase(done.stdout, shown), done.stderr


def test_what_the_pages_quote_of_the_app_is_in_it() -> None:
    app = files(FOLDER / "README.md")["main.py"]
    quoted = [
        text
        for page in sorted(FOLDER.glob("*.md"))
        for text in INDENTED.findall(
            re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        )
    ]
    assert len(quoted) == 3
    for text in quoted:
        lines = ast.unparse(ast.parse(text.replace("\n    ", "\n")))
        assert lines in ast.unparse(ast.parse(app))
