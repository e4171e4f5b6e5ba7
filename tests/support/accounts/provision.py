"""A process that provisions: ``python -m tests.support.accounts.provision``.

Reads one JSON object from standard input: ``management_url``, ``api_key``, ``folder``, ``creator``,
``namespace``, ``reaper``, ``steps``. A step is ``["ensure", {name: workersMax}]``, ``["remove"]``,
``["release"]`` or ``["wait"]`` (for a line of standard input). Prints a line after each.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from pytest_flash import LiveServerless
from pytest_flash.events import ignore
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.reaper import reaping
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.live_sessions import session_in
from pytest_flash.provisioner.state.records import Account, Scope
from pytest_flash.provisioner.state.store import State
from pytest_flash.runpod import ManagementClient
from pytest_flash.runpod.rate_limit import Pace
from pytest_flash.settings import Environment
from pytest_flash.target import Target, TargetKind
from tests.support.environment import LIVE_IMAGES


def main() -> None:
    """Carry out the steps."""
    order = json.loads(sys.stdin.readline())
    url, key = order["management_url"], order["api_key"]
    target = Target(TargetKind.LIVE, url, url, key, "a test asked")
    owner = Owner("shop", order.get("namespace", "default"))
    account = Account(order.get("account_url", url), Account.of(target).key_digest)
    state = State(Path(order["folder"]), on_notice=sys.exit)
    scope = Scope(account, owner.project, owner.namespace)
    with contextlib.ExitStack() as stack:
        user = stack.enter_context(session_in(state.folder))
        session_records = SessionRecords(state, scope, user, order["creator"])
        if order["reaper"]:
            stack.enter_context(reaping(target, session_records))
        client = stack.enter_context(ManagementClient(target, pace=Pace.unlimited()))
        specification = EndpointSpecification(
            owner, Environment(LIVE_IMAGES), AccountVolumes(client, create=False), live=True
        )
        provisioner = Provisioner(
            client, specification, session_records=session_records, adopt=False, on_event=ignore
        )
        for step, *rest in order["steps"]:
            if step == "ensure":
                resources = (
                    LiveServerless(name=name, workersMax=workers)
                    for name, workers in rest[0].items()
                )
                made = provisioner.ensure_all((resource, __file__) for resource in resources)
                print(json.dumps({name: each.id for name, each in made.items()}), flush=True)
                continue
            failed = {}
            if step == "remove":
                failed = provisioner.remove(session_records.records())
            elif step == "release":
                failed = provisioner.release(keep=False)
            elif step == "wait":
                sys.stdin.readline()
            print(json.dumps({name: str(error) for name, error in failed.items()}), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
