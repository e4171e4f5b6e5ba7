"""The quickstart's own tests and guide, as a reader would run them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.environment import QUICKSTART, ROOT, clean_environment
from tests.support.runs.flash_run import StartRun

GUIDE = (QUICKSTART / "README.md").read_text()


def commands(text: str) -> list[list[str]]:
    """The lines behind ``$`` in the guide's console blocks."""
    return [shlex.split(line) for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "quickstart"
    shutil.copytree(QUICKSTART, target, ignore=shutil.ignore_patterns("__pycache__", ".env"))
    return target


def test_the_guide_works_as_written(folder: Path, flash_run: StartRun, http: httpx.Client) -> None:
    serve, curl, test, copy = commands(GUIDE)
    assert (serve, test) == (["flash", "run"], ["pytest"])

    run = flash_run(cwd=folder)
    body = curl[curl.index("-d") + 1]
    url = curl[curl.index("POST") + 1].replace("http://localhost:8888", run.url)
    answer = http.post(url, content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["cpu"]["text"] == "test input"

    tested = subprocess.run(
        [sys.executable, "-m", *test, "-p", "no:cacheprovider"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout

    subprocess.run(copy, cwd=folder, check=True)
    assert (folder / ".env").read_text() == (folder / ".env.example").read_text()


def test_the_copied_settings_keep_the_emulator(folder: Path, flash_run: StartRun) -> None:
    shutil.copy(folder / ".env.example", folder / ".env")
    run = flash_run(cwd=folder)
    run.wait_for("the embedded Runpod")


def test_what_the_guide_links_to_exists() -> None:
    for file in (QUICKSTART / "README.md", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / link).exists(), f"{file.name}: {link}"
