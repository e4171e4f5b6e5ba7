"""Saves that need no new code, folders that are watched, and an app that writes its own files."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.support.runs.command import RunCommand
from tests.support.runs.flash_run import StartRun
from tests.support.runs.saving import save

WRITES_ITSELF = """\
import time
from pathlib import Path
from fastapi import FastAPI

Path(__file__).with_name("version.py").write_text(f"STARTED = {time.time_ns()}\\n")
app = FastAPI()


@app.get("/")
def index():
    return True
"""


def test_an_app_that_writes_a_file_at_each_start_settles(
    flash_run: StartRun, http: httpx.Client, tmp_path: Path
) -> None:
    project, templates = tmp_path / "project", tmp_path / "templates"
    project.mkdir()
    templates.mkdir()
    main = project / "main.py"
    main.write_text(WRITES_ITSELF)
    run = flash_run("--reload-dir", ".", "--reload-dir", "../templates", cwd=project)
    run.wait_for("--reload-exclude version.py leaves it out")
    run.wait_for("serving generation 4\n")

    save(main, WRITES_ITSELF)  # Which is no change.
    save(templates / "page.py", "")
    run.wait_for(f"reload {templates / 'page.py'}\n")
    run.wait_for("serving generation 5\n")
    save(main, f"{WRITES_ITSELF}# more\n")
    run.wait_for("reload main.py\n")
    run.wait_for("serving generation 6\n")
    http.get(run.url).raise_for_status()
    reloads = re.findall(r"reload (.+\.py)$", run.output, re.MULTILINE)
    assert reloads == ["version.py"] * 3 + [str(templates / "page.py"), "main.py"]


def test_a_pattern_that_matches_no_file_is_refused(flash: RunCommand, tmp_path: Path) -> None:
    for pattern in ("../lib/*.py", "./templates", " ", "~/lib"):
        ended = flash("run", "--reload-include", pattern, cwd=tmp_path)
        assert ended.code == 2
        assert "matches no file" in ended.errors
        assert "--reload-dir" in ended.errors
