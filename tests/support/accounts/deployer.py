"""Endpoints of an app as ``flash run --auto-provision`` makes them, without serving it.

As a program: reads an order a line, as JSON, and carries out each in a process of its own, which
has ended when the answer is printed: the sessions that made the endpoints are over.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_flash.functions.registry import registry
from pytest_flash.project import find_project
from pytest_flash.provisioner.discover import discover
from pytest_flash.provisioner.owner import choose_namespace
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.runner.app.load import load
from pytest_flash.runner.app.locate import locate
from pytest_flash.session import Identity, Session
from pytest_flash.settings import read_environment
from pytest_flash.target import open_live
from tests.support.environment import ROOT, clean_environment

# Seconds.
_LIMIT = 120


@dataclass(frozen=True)
class Deployer:
    """The program, and on whose account."""

    process: subprocess.Popen[str]
    environment: Mapping[str, str]

    def deploy(self, folder: Path, namespace: str | None = None) -> None:
        """Make the endpoints of the app in ``folder``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"folder": str(folder), "namespace": namespace, "variables": dict(self.environment)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        error = json.loads(self.process.stdout.readline())
        assert error is None, error


@contextmanager
def deploying(environment: Mapping[str, str]) -> Iterator[Deployer]:
    """A deployer to the account that ``environment`` names."""
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.support.accounts.deployer"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Deployer(process, environment)


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _carry_out(json.loads(line), writing)
        os.close(writing)
        with open(reading) as answer:  # noqa: PTH123 - a descriptor
            error = answer.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps(error or (f"exit status {status}" if status else None)), flush=True)


def _carry_out(order: dict[str, Any], answer: int) -> None:
    """Deploy, then end; what goes wrong is written to ``answer``."""
    signal.alarm(_LIMIT)
    try:
        _deploy(Path(order["folder"]), order["namespace"], order["variables"])
    except BaseException:  # noqa: BLE001 - the process ends here, and the test shows it
        os.write(answer, traceback.format_exc().encode())
    os._exit(0)


def _deploy(folder: Path, namespace: str | None, variables: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(variables)
    environment = read_environment(folder)
    load(locate(None, folder))
    identity = Identity(
        find_project(folder),
        choose_namespace(namespace, environment, live=True),
        "run",
        User.current(),
    )
    target = open_live(environment, reason="a test deploys", granted=False)
    session = Session.open(target, identity, environment)
    with contextlib.closing(session):
        rollout = session.rollout()
        rollout.apply(rollout.plan(discover(registry.functions())))


if __name__ == "__main__":
    main()
