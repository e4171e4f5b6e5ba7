"""Images of one's own: the project's command runs for them, as a worker."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.harness import HERE, Emulator, is_alive, serving_project, until

LISTED = """
[tool.flash.emulator.images]
"my/image:tag" = "worker --note '$HOME and more'"
"my/script" = "./worker"
"my/missing" = "no-such-command handler.py"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose command ``worker`` is on the user's PATH, in ``bin``, and beside it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(LISTED)
    (folder / "bin").mkdir()
    for place in (folder, folder / "bin"):
        script = place / "worker"
        script.write_text(f"#!{sys.executable} -S\n" + (HERE / "worker_program.py").read_text())
        script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def serving(project: Path) -> Iterator[Emulator]:
    variables = {"PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    with serving_project(project, RUNPOD_API_KEY="the-real-key", **variables) as emulator:
        yield emulator


def test_the_command_runs_in_the_project_with_a_workers_variables(
    serving: Emulator, project: Path
) -> None:
    endpoint = serving.create(image="my/image:tag", env={"MINE": "1"})
    seen = serving.call(endpoint, do="environ")["output"]
    assert seen["argv"][1:] == ["--note", "$HOME and more"]
    assert seen["cwd"] == str(project)
    env = seen["env"]
    assert env["PATH"].split(os.pathsep)[0] == str(project / "bin")
    assert env["MINE"] == "1"
    assert env["RUNPOD_SKIP_AUTO_SYSTEM_CHECKS"] == env["RUNPOD_SKIP_GPU_CHECK"] == "true"
    assert env["RUNPOD_ENDPOINT_ID"] == endpoint
    assert env["RUNPOD_POD_ID"]
    assert "?" in env["RUNPOD_WEBHOOK_GET_JOB"]
    assert "RUNPOD_API_KEY" not in env
    assert "FLASH_DEPENDENCIES_URL" not in env
    assert Path(env["HOME"]).is_dir()
    assert not any(Path(env["HOME"]).iterdir())


def test_the_endpoints_variables_come_before_the_emulators(serving: Emulator) -> None:
    endpoint = serving.create(image="my/image:tag", env={"RUNPOD_SKIP_GPU_CHECK": "false"})
    env = serving.call(endpoint, do="environ")["output"]["env"]
    assert env["RUNPOD_SKIP_GPU_CHECK"] == "false"


def test_a_path_is_one_from_the_projects_folder(serving: Emulator, project: Path) -> None:
    seen = serving.call(serving.create(image="my/script:2"), do="environ")["output"]
    assert seen["argv"] == ["./worker"]


def test_a_missing_command_is_named(serving: Emulator, project: Path) -> None:
    document = serving.call(serving.create(image="my/missing"), do="pid")
    assert document["status"] == "FAILED"
    assert "'no-such-command' is not on your PATH" in document["error"]
    assert str(project / "pyproject.toml") in document["error"]


def test_an_image_without_a_command_says_what_to_add(serving: Emulator, project: Path) -> None:
    endpoint = serving.create(image="your/image:1")
    document = serving.call(endpoint, do="pid")
    assert document["status"] == "FAILED"
    assert str(project / "pyproject.toml") in document["error"]
    assert (
        '[tool.flash.emulator.images]\n    "your/image:1" = "python handler.py"'
        in (document["error"])
    )
    assert serving.statuses(endpoint) == ["UNHEALTHY"]


def test_its_end_is_reported_as_it_was(serving: Emulator) -> None:
    endpoint = serving.create(image="my/image:tag", workers={"max": 1})
    assert "was killed by SIGSEGV" in serving.call(endpoint, do="signal", number=11)["error"]
    exited = serving.call(endpoint, do="print and exit", code=3, text="last words")
    assert "exited with code 3" in exited["error"]
    assert "last words" in exited["error"]


def test_it_is_asked_to_end_before_it_is_killed(serving: Emulator, tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    endpoint = serving.create(image="my/image:tag", env={"MARK_SIGTERM": str(mark)})
    pid = serving.call(endpoint, do="pid")["output"]
    serving.management.patch(f"/v2/serverless/{endpoint}", json={"env": {}})
    until(lambda: is_alive(pid), lambda alive: not alive, seconds=30)
    assert mark.exists()


def test_it_dies_with_a_killed_emulator(project: Path, tmp_path: Path) -> None:
    own = tmp_path / "project"
    shutil.copytree(project, own)
    # Not the worker that ends by itself when the emulator is away.
    (own / "pyproject.toml").write_text('[tool.flash.emulator.images]\n"a:1" = "./stays"\n')
    stays = f"""#!{sys.executable} -S
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"])
with open("pids.new", "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename("pids.new", "pids")
time.sleep(600)
"""
    (own / "stays").write_text(stays)
    (own / "stays").chmod(0o755)
    with serving_project(own) as emulator:
        emulator.create(image="a:1", workers={"min": 1, "max": 1})
        until((own / "pids").exists, bool)
        pids = [int(pid) for pid in (own / "pids").read_text().split()]
        assert all(map(is_alive, pids))
        os.kill(emulator.process.pid, signal.SIGKILL)
        until(lambda: [pid for pid in pids if is_alive(pid)], lambda alive: not alive)
