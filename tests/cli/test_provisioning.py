"""``flash run --auto-provision`` and ``flash undeploy`` on an account: a stand-alone emulator."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.runpod import Endpoint
from tests.support.environment import clean_environment
from tests.support.flash_run import FlashRun

Start = Callable[..., FlashRun]
Endpoints = Callable[[], list[Endpoint]]


class App:
    """A project whose resources are listed by name, with their settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pyproject.toml").write_text('[project]\nname = "shop"\n')

    def define(self, more: str = "", **resources: str) -> None:
        """Write the app, with a function for each resource."""
        functions = "".join(
            f"@remote(LiveServerless(name={name!r}, {settings}))\ndef {name}(): return 1\n"
            for name, settings in resources.items()
        )
        (self.folder / "main.py").write_text(
            "from fastapi import FastAPI\n"
            "from pytest_flash import LiveServerless, NetworkVolume, remote\n"
            f"app = FastAPI()\n{functions}{more}"
        )


@pytest.fixture
def app(tmp_path: Path) -> App:
    folder = tmp_path / "shop"
    folder.mkdir()
    return App(folder)


@pytest.fixture
def provision(flash_run: Start, app: App, variables: dict[str, str]) -> Callable[..., FlashRun]:
    """Run ``flash run --auto-provision`` until it serves or ends, and stop it."""

    def run(*arguments: str, ends: bool = False, **more: str) -> FlashRun:
        started = flash_run("--auto-provision", *arguments, cwd=app.folder, **variables, **more)
        if not ends:
            started.wait_for(" at http://")
            started.process.terminate()
        started.wait()
        return started

    return run


@pytest.fixture
def undeploy(app: App, variables: dict[str, str]) -> Callable[..., Any]:
    """Run ``flash undeploy``."""

    def run(
        *arguments: str, blocks: str = "unlimited", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """``blocks`` is how far it may let files grow."""
        command = [sys.executable, "-m", "flash_cli", "undeploy", *arguments]
        return subprocess.run(
            ["sh", "-c", f'ulimit -S -f {blocks}; exec "$@"', "sh", *command],
            cwd=app.folder,
            env=clean_environment(**{**variables, **more}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def names(endpoints: Endpoints) -> list[str]:
    return sorted(endpoint.name for endpoint in endpoints())


def test_a_dry_run_prints_the_plan_and_stops(
    app: App, provision: Any, endpoints: Endpoints
) -> None:
    app.define(a="workersMax=1", b="env={'TOKEN': 'hush'}")
    provision()
    before = endpoints()
    app.define(a="workersMax=2", b="env={'TOKEN': 'hushhush'}", c="gpus=['ADA_24']")

    run = provision("--dry-run", ends=True)

    assert run.wait() == 0
    table = [line.split() for line in run.output.splitlines() if "live-" in line]
    assert [row[:2] for row in table] == [
        ["live-a", "update"],
        ["live-b", "update"],
        ["live-c", "create"],
    ]
    assert "workers.max: 1 -> 2" in run.output
    assert "env.TOKEN" in run.output
    assert "hush" not in run.output
    assert "stay on Runpod" not in run.output
    assert endpoints() == before


def test_orphans_are_removed_at_the_start_and_said(
    app: App, provision: Any, endpoints: Endpoints
) -> None:
    app.define(a="", b="")
    provision()
    app.define(b="")

    kept = provision("--keep-orphans")
    assert "live-a is removed" not in kept.output
    assert "stay on Runpod: live-a, live-b" in kept.output
    assert names(endpoints) == ["live-a", "live-b"]

    run = provision()
    assert "live-a is removed: no code defines 'a' any more" in run.output
    assert names(endpoints) == ["live-b"]


def test_orphans_are_not_judged_when_a_module_failed_to_import(
    app: App, provision: Any, endpoints: Endpoints
) -> None:
    app.define(a="", b="")
    provision()
    (app.folder / "extra.py").write_text("surprise!\n")
    app.define("try:\n    import extra\nexcept SyntaxError:\n    pass\n", b="")
    provision()
    assert names(endpoints) == ["live-a", "live-b"]


def test_namespaces_keep_apart(app: App, provision: Any, endpoints: Endpoints) -> None:
    app.define(a="")
    provision()
    provision("--namespace", "anna")
    provision(FLASH_NAMESPACE="bob")
    assert names(endpoints) == ["live-a", "live-anna-a", "live-bob-a"]


def test_a_bad_namespace_is_refused(app: App, provision: Any) -> None:
    app.define(a="")
    run = provision("--namespace", "No!", ends=True)
    assert run.wait() == 1
    assert "1 to 16 lower-case letters and digits" in run.output


def test_warm_starts_a_worker_on_each(
    app: App, flash_run: Start, variables: dict[str, str], endpoints: Endpoints
) -> None:
    app.define(a="workersMax=1", b="workersMax=1")
    run = flash_run("--auto-provision", "--warm", cwd=app.folder, **variables)
    run.wait_for(" at http://")
    assert "not warm" not in run.output
    assert len(endpoints()) == 2


def test_asking_shows_hardware_and_prices(app: App, provision: Any, endpoints: Endpoints) -> None:
    app.define(**{f"r{number}": "gpus=['ADA_24'], workersMax=2" for number in range(6)})
    run = provision(ends=True)
    assert run.wait() == 1
    assert "live-r0: ADA_24, $" in run.output
    assert "an hour for each worker, at most 2" in run.output
    assert "--yes" in run.output
    assert endpoints() == []


def test_a_missing_volume_is_created_after_asking_and_never_deleted(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    app.define(a="networkVolume=NetworkVolume(name='models', size=20)")
    refused = provision(ends=True)
    assert refused.wait() == 1
    assert "network volume models: 20 GB in EU-RO-1" in refused.output
    assert endpoints() == []

    planned = provision("--dry-run", ends=True)
    assert "20 GB in EU-RO-1  network volume" in planned.output
    assert "models" not in undeploy("list").stdout

    agreed = provision("--yes")
    assert "network volume models created" in agreed.output
    (endpoint,) = endpoints()
    assert len(endpoint.document()["networkVolumes"]) == 1
    assert "models" in undeploy("list").stdout

    assert undeploy("--all", "--yes").returncode == 0
    assert "models" in undeploy("list").stdout
    again = provision()
    assert "created (20 GB)" not in again.output


def test_undeploy_names_those_of_other_namespaces_and_keys(
    app: App, provision: Any, undeploy: Any
) -> None:
    """They cost money as well, and are not what was asked for."""
    app.define(a="")
    provision("--namespace", "ns1")
    assert "1 of namespace ns1 (--namespace ns1)" in undeploy("list").stdout
    assert "live-ns1-a" in undeploy("list", "--namespace", "ns1").stdout
    assert "1 made with another API key" in undeploy("list", RUNPOD_API_KEY="other").stdout


def test_undeploy_lists_and_deletes_by_name(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    app.define(a="", b="", c="")
    provision()
    listed = undeploy("list").stdout
    for name in ("live-a", "live-b", "live-c"):
        assert name in listed
    assert "created by run" in listed

    asked = undeploy("a")
    assert asked.returncode == 1
    assert "--yes" in asked.stdout
    assert len(endpoints()) == 3

    assert undeploy("a", "live-b", "--yes").returncode == 0
    assert names(endpoints) == ["live-c"]
    assert undeploy("z", "--yes").returncode == 1
    assert undeploy("--all", "--yes").returncode == 0
    assert names(endpoints) == []
    assert "nothing to delete" in undeploy("--all").stdout
    assert "Nothing is recorded in" in undeploy("list").stdout


def test_undeploy_needs_no_disk(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    app.define(a="")
    provision()
    done = undeploy("--all", "--yes", blocks="0")
    assert done.returncode == 0, done.stderr
    assert names(endpoints) == []
    assert "live-a is deleted, and is still recorded" in done.stdout + done.stderr
    assert "  gone, " in undeploy("list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "a", "--yes"],
        ["--all", "--older-than", "2h", "--yes"],
        ["--all", "--all-namespaces", "--yes"],
    ],
)
def test_undeploy_deletes_no_more_than_was_said(undeploy: Any, arguments: list[str]) -> None:
    refused = undeploy(*arguments)
    assert refused.returncode == 2
    assert "Usage" in refused.stderr


def test_undeploy_orphans_imports_the_app(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    app.define(a="", b="")
    provision()
    app.define(b="")
    assert undeploy("--orphans", "--yes").returncode == 0
    assert names(endpoints) == ["live-b"]


def test_undeploy_unrecorded_finds_what_a_lost_machine_left(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    app.define(a="")
    provision()
    provision("--namespace", "lost")
    (app.folder / ".runpod" / "resources.pkl").unlink()
    provision()

    # What others use right now, in a namespace of their own, is not this one's to delete.
    assert undeploy("--unrecorded", "--yes").returncode == 0
    assert undeploy("--unrecorded", "--namespace", "other", "--yes").returncode == 0
    assert undeploy("--unrecorded", "--all-namespaces", "--older-than", "2h", "--yes").stdout == (
        "There is nothing to delete.\n"
    )
    assert names(endpoints) == ["live-a", "live-lost-a"]

    done = undeploy("--unrecorded", "--all-namespaces", "--yes")

    assert done.returncode == 0
    assert re.search(r"deletes on Runpod:\n  live-lost-a \(\w+\) of shop/lost, not", done.stdout)
    assert names(endpoints) == ["live-a"]


def test_undeploy_of_a_project_that_its_folder_alone_names(
    app: App, provision: Any, endpoints: Endpoints, undeploy: Any
) -> None:
    (app.folder / "pyproject.toml").unlink()
    app.define(a="")
    assert "called 'shop' after its folder alone" in provision().output
    (app.folder / ".runpod" / "resources.pkl").unlink()

    assert "called 'shop' after its folder alone" in undeploy("list").stdout
    refused = undeploy("--unrecorded", "--yes")
    assert refused.returncode == 1
    assert "that is the name of this folder alone" in refused.stderr
    assert names(endpoints) == ["live-a"]


def test_undeploy_without_a_word_says_what_it_takes(undeploy: Any) -> None:
    done = undeploy()
    assert done.returncode == 2
    assert "--unrecorded" in done.stderr


def test_the_state_folder_ignores_itself(app: App, provision: Any) -> None:
    app.define(a="")
    provision()
    folder = app.folder / ".runpod"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text().strip() == "*"
    assert (folder / "resources.pkl").exists()
