"""``flash run --auto-provision`` and ``flash undeploy`` on an account: a stand-alone emulator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from pytest_flash.runpod import Endpoint
from tests.support.accounts.account import Account
from tests.support.accounts.deployer import Deployer, deploying
from tests.support.environment import clean_environment
from tests.support.runs.command import Ended, RunCommand
from tests.support.runs.flash_run import StartRun

Endpoints = Callable[[], list[Endpoint]]


class App:
    """A project whose resources are listed by name, with their settings."""

    def __init__(self, folder: Path, deployer: Deployer) -> None:
        self.folder = folder
        self._deployer = deployer
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

    def deploy(self, namespace: str | None = None) -> None:
        """Make its endpoints, in a session that has ended."""
        self._deployer.deploy(self.folder, namespace)


@pytest.fixture(scope="module")
def deployer(account: Account) -> Iterator[Deployer]:
    with deploying(account.variables) as deployer:
        yield deployer


@pytest.fixture
def app(tmp_path: Path, deployer: Deployer) -> App:
    folder = tmp_path / "shop"
    folder.mkdir()
    return App(folder, deployer)


class Provision(Protocol):
    def __call__(self, *arguments: str, **variables: str) -> str: ...


@pytest.fixture
def provision(flash_run: StartRun, app: App, variables: dict[str, str]) -> Provision:
    """Run ``flash run --auto-provision`` until it serves, and stop it; returns what it printed."""

    def run(*arguments: str, **more: str) -> str:
        environment = variables | more
        started = flash_run("--auto-provision", *arguments, cwd=app.folder, environment=environment)
        started.wait_for(" at http://")
        started.process.terminate()
        assert started.wait() == 0
        return started.output

    return run


class Attempt(Protocol):
    def __call__(self, *arguments: str, **variables: str) -> Ended: ...


@pytest.fixture
def attempt(flash: RunCommand, app: App, variables: dict[str, str]) -> Attempt:
    """Run ``flash run --auto-provision`` where it ends by itself."""

    def run(*arguments: str, **more: str) -> Ended:
        options = ("--auto-provision", "--port", "0", *arguments)
        return flash("run", *options, cwd=app.folder, **variables, **more)

    return run


@pytest.fixture
def undeploy(flash: RunCommand, app: App, variables: dict[str, str]) -> Attempt:
    """Run ``flash undeploy``."""

    def run(*arguments: str, **more: str) -> Ended:
        return flash("undeploy", *arguments, cwd=app.folder, **(variables | more))

    return run


def names(endpoints: Endpoints) -> list[str]:
    return sorted(endpoint.name for endpoint in endpoints())


def test_a_dry_run_prints_the_plan_and_stops(
    app: App, attempt: Attempt, endpoints: Endpoints
) -> None:
    app.define(a="workersMax=1", b="env={'TOKEN': 'hush'}")
    app.deploy()
    before = endpoints()
    app.define(a="workersMax=2", b="env={'TOKEN': 'hushhush'}", c="gpus=['ADA_24']")

    run = attempt("--dry-run")

    assert run.code == 0
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

    steps = json.loads(attempt("--dry-run", "--json").output)["steps"]
    assert [(each["endpoint"], each["action"]) for each in steps] == [
        ("live-a", "update"),
        ("live-b", "update"),
        ("live-c", "create"),
    ]


def test_orphans_are_removed_at_the_start_and_reported(
    app: App, provision: Provision, endpoints: Endpoints
) -> None:
    app.define(a="", b="")
    app.deploy()
    app.define(b="")

    kept = provision("--keep-orphans")
    assert "live-a is removed" not in kept
    assert "stay on Runpod: live-a, live-b" in kept
    assert names(endpoints) == ["live-a", "live-b"]

    output = provision()
    assert "live-a is removed: no code defines 'a' any more" in output
    assert names(endpoints) == ["live-b"]


def test_orphans_are_not_judged_when_a_module_failed_to_import(
    app: App, provision: Provision, endpoints: Endpoints
) -> None:
    app.define(a="", b="")
    app.deploy()
    (app.folder / "extra.py").write_text("surprise!\n")
    app.define("try:\n    import extra\nexcept SyntaxError:\n    pass\n", b="")
    provision()
    assert names(endpoints) == ["live-a", "live-b"]


def test_namespaces_keep_apart(app: App, endpoints: Endpoints, undeploy: Attempt) -> None:
    app.define(a="")
    app.deploy()
    app.deploy("anna")
    assert names(endpoints) == ["live-a", "live-anna-a"]
    for listed in (
        undeploy("list", "--namespace", "anna"),
        undeploy("list", FLASH_NAMESPACE="anna"),
    ):
        assert "live-anna-a" in listed.output
        assert "live-a " not in listed.output


def test_a_bad_namespace_is_refused(app: App, attempt: Attempt) -> None:
    app.define(a="")
    run = attempt("--namespace", "No!")
    assert run.code == 1
    assert "1 to 16 lower-case letters and digits" in run.errors


def test_warm_starts_a_worker_on_each(
    app: App, provision: Provision, account: Account, endpoints: Endpoints
) -> None:
    """In a namespace that a variable names."""
    app.define(a="workersMax=1", b="workersMax=1")
    assert "not warm" not in provision("--warm", FLASH_NAMESPACE="bob")
    assert names(endpoints) == ["live-bob-a", "live-bob-b"]
    assert [account.completed(endpoint.id) for endpoint in endpoints()] == [1, 1]


def test_asking_shows_hardware_and_prices(app: App, attempt: Attempt, endpoints: Endpoints) -> None:
    app.define(**{f"r{number}": "gpus=['ADA_24'], workersMax=2" for number in range(6)})
    run = attempt()
    assert run.code == 1
    assert "live-r0: ADA_24, $" in run.output
    assert "an hour for each worker, at most 2" in run.output
    assert "--yes" in run.output
    assert endpoints() == []


def test_a_missing_volume_is_created_after_asking_and_never_deleted(
    app: App, provision: Provision, attempt: Attempt, endpoints: Endpoints, undeploy: Attempt
) -> None:
    app.define(a="networkVolume=NetworkVolume(name='models', size=20)")
    refused = attempt()
    assert refused.code == 1
    assert "network volume models: 20 GB in EU-RO-1" in refused.output
    assert endpoints() == []

    planned = attempt("--dry-run")
    assert "20 GB in EU-RO-1  network volume" in planned.output
    assert "models" not in undeploy("list").output

    assert "network volume models created" in provision("--yes")
    (endpoint,) = endpoints()
    assert len(endpoint.document()["networkVolumes"]) == 1
    assert "models" in undeploy("list").output

    assert undeploy("--all", "--yes").code == 0
    assert "models" in undeploy("list").output
    assert "created (20 GB)" not in provision()


def test_undeploy_names_those_of_other_namespaces_and_keys(app: App, undeploy: Attempt) -> None:
    """They cost money as well, and are not what was asked for."""
    app.define(a="")
    app.deploy("ns1")
    assert "1 of namespace ns1 (--namespace ns1)" in undeploy("list").output
    assert "live-ns1-a" in undeploy("list", "--namespace", "ns1").output
    assert "1 made with another API key" in undeploy("list", RUNPOD_API_KEY="other").output


def test_undeploy_lists_and_deletes_by_name(
    app: App, endpoints: Endpoints, undeploy: Attempt
) -> None:
    app.define(a="", b="", c="")
    app.deploy()
    listed = undeploy("list").output
    for name in ("live-a", "live-b", "live-c"):
        assert name in listed
    assert "created by run" in listed
    printed = json.loads(undeploy("list", "--json").output)
    assert [each["name"] for each in printed["endpoints"]] == ["live-a", "live-b", "live-c"]
    assert printed["network_volumes"] == []

    asked = undeploy("a")
    assert asked.code == 1
    assert "--yes" in asked.output
    assert len(endpoints()) == 3

    mistyped = undeploy("lve-b", "--yes")
    assert mistyped.code == 1
    assert "did you mean 'live-b'?" in mistyped.errors

    assert undeploy("a", "live-b", "--yes").code == 0
    assert names(endpoints) == ["live-c"]
    assert undeploy("z", "--yes").code == 1
    assert undeploy("--all", "--yes").code == 0
    assert names(endpoints) == []
    assert "nothing to delete" in undeploy("--all").output
    assert "Nothing is recorded in" in undeploy("list").output


def test_undeploy_needs_no_disk(
    app: App, endpoints: Endpoints, undeploy: Attempt, variables: dict[str, str]
) -> None:
    app.define(a="")
    app.deploy()
    # No file of this process may grow, which the system says as of a full disk.
    command = [sys.executable, "-m", "flash_cli", "undeploy", "--all", "--yes"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *command],
        cwd=app.folder,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert names(endpoints) == []
    assert "live-a is deleted, and is still recorded" in done.stdout + done.stderr
    assert "  gone, " in undeploy("list").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "a", "--yes"],
        ["--all", "--older-than", "2h", "--yes"],
        ["--all", "--all-namespaces", "--yes"],
        ["--unrecorded", "--all-namespaces", "--namespace", "alice", "--yes"],
        ["--unrecorded", "--namespace", "", "--yes"],
        ["--all", "--namespace", "", "--yes"],
    ],
)
def test_undeploy_deletes_no_more_than_was_asked(flash: RunCommand, arguments: list[str]) -> None:
    refused = flash("undeploy", *arguments)
    assert refused.code == 2
    assert "Usage" in refused.errors


def test_undeploy_orphans_imports_the_app(
    app: App, endpoints: Endpoints, variables: dict[str, str]
) -> None:
    app.define(a="", b="")
    app.deploy()
    app.define(b="")
    # In a process of its own, which imports the app.
    done = subprocess.run(
        [sys.executable, "-m", "flash_cli", "undeploy", "--orphans", "--yes"],
        cwd=app.folder,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert names(endpoints) == ["live-b"]


def test_undeploy_unrecorded_finds_what_a_lost_machine_left(
    app: App, endpoints: Endpoints, undeploy: Attempt
) -> None:
    app.define(a="")
    app.deploy()
    app.deploy("lost")
    (app.folder / ".runpod" / "resources.pkl").unlink()
    app.deploy()

    # What others use right now, in a namespace of their own, is not this one's to delete.
    assert undeploy("--unrecorded", "--yes").code == 0
    assert undeploy("--unrecorded", "--namespace", "other", "--yes").code == 0
    unchanged = undeploy("--unrecorded", "--all-namespaces", "--older-than", "2h", "--yes")
    assert unchanged.output == "There is nothing to delete.\n"
    assert names(endpoints) == ["live-a", "live-lost-a"]

    done = undeploy("--unrecorded", "--all-namespaces", "--yes")

    assert done.code == 0
    assert re.search(r"deletes on Runpod:\n  live-lost-a \(\w+\) of shop/lost, not", done.output)
    assert names(endpoints) == ["live-a"]


def test_undeploy_of_a_project_that_its_folder_alone_names(
    app: App, provision: Provision, endpoints: Endpoints, undeploy: Attempt
) -> None:
    (app.folder / "pyproject.toml").unlink()
    app.define(a="")
    assert "called 'shop' after its folder alone" in provision()
    (app.folder / ".runpod" / "resources.pkl").unlink()

    assert "called 'shop' after its folder alone" in undeploy("list").output
    refused = undeploy("--unrecorded", "--yes")
    assert refused.code == 1
    assert "any folder that is called so may have made it" in refused.errors
    assert names(endpoints) == ["live-a"]


def test_undeploy_without_a_word_says_what_it_takes(flash: RunCommand) -> None:
    done = flash("undeploy")
    assert done.code == 2
    assert "--unrecorded" in done.errors


def test_the_state_folder_ignores_itself(app: App, variables: dict[str, str]) -> None:
    app.define(a="")
    app.deploy()
    folder = app.folder / ".runpod"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text().strip() == "*"
    assert (folder / "resources.pkl").exists()
