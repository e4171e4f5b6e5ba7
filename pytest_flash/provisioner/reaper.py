"""A process that deletes what a killed test session left on Runpod, and then ends.

It waits on a pipe whose writing end the session holds. A session that ends says so; one that was
killed cannot, and the end of the pipe is the sign. It is the one process of ours that outlives
its session, by the seconds that deleting takes and by ``_LIMIT`` at most. What it cannot delete
stays recorded, and the next session tries again. While it waits it has imported next to nothing,
since hardly any session is killed: what deleting takes is imported when it is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..process.child_environment import child_environment
from ..process.exit_status import ends_within

if TYPE_CHECKING:
    from ..target import Target
    from .session_records import SessionRecords

_DONE = b"done"
_LIMIT = 120
# A request to create that was under way when the session died may take this long to take effect.
_SETTLING = 10.0
_PATIENCE = 5.0


@dataclass(frozen=True)
class _Order:
    """What the reaper needs to know, as one line of JSON on its standard input."""

    management_url: str
    queue_url: str
    api_key: str = field(repr=False)
    folder: str
    account_url: str
    key_digest: str
    project: str
    namespace: str
    former_project: str
    user: dict[str, Any]
    network: dict[str, Any] = field(repr=False)


@contextlib.contextmanager
def reaping(
    target: Target, session_records: SessionRecords, former_project: str = ""
) -> Iterator[None]:
    """While the block lasts, have what this test session created deleted if it is killed.

    Enter it before anything is created, and leave it when the session has cleaned up itself. With
    an exception, such as a second Ctrl-C, it counts as killed.
    """
    order = _Order(
        target.management_url,
        target.queue_url,
        target.api_key,
        # Not through a link in the folder's own place.
        str(session_records.state.folder.parent.resolve() / session_records.state.folder.name),
        session_records.scope.account.management_url,
        session_records.scope.account.key_digest,
        session_records.scope.project,
        session_records.scope.namespace,
        former_project,
        asdict(session_records.user),
        asdict(target.network),
    )
    reaper = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        # With -m the working directory heads sys.path: not one with modules of the user's.
        cwd=os.sep,
        # Not in reach of a terminal's signals.
        start_new_session=True,
    )
    _tell(reaper, json.dumps(asdict(order)).encode() + b"\n")
    assert reaper.stdin is not None
    try:
        yield
    except BaseException:
        reaper.stdin.close()
        raise
    _tell(reaper, _DONE)
    _end(reaper)


def _tell(reaper: subprocess.Popen[bytes], text: bytes) -> None:
    assert reaper.stdin is not None
    # If it has died, the next session cleans up in its place.
    with contextlib.suppress(BrokenPipeError):
        reaper.stdin.write(text)
        reaper.stdin.flush()


def _end(reaper: subprocess.Popen[bytes]) -> None:
    assert reaper.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        reaper.stdin.close()
    if not ends_within(reaper, _PATIENCE):
        reaper.kill()
        reaper.wait()


def main() -> None:
    """Wait for the session's end; clean up if it did not say that it had."""
    line = sys.stdin.buffer.readline()
    if line and sys.stdin.buffer.read() != _DONE:
        signal.alarm(_LIMIT)
        _reap(_Order(**json.loads(line)))


def _reap(order: _Order) -> None:
    from ..events import ignore
    from ..network.proxies import Network
    from ..runpod import ManagementClient
    from ..settings import Environment
    from ..target import Target, TargetKind
    from .account_volumes import AccountVolumes
    from .endpoint_specification import EndpointSpecification
    from .owner import Owner
    from .provisioner import Provisioner
    from .session_records import SessionRecords
    from .state.records import Account, Scope
    from .state.session_processes import User
    from .state.store import State

    # The session's own way to the cloud was granted when its target was opened.
    target = Target(
        TargetKind.LIVE,
        order.management_url,
        order.queue_url,
        order.api_key,
        "a killed session",
        network=Network(**order.network),
    )
    owner = Owner(order.project, order.namespace, order.former_project)
    account = Account(order.account_url, order.key_digest)
    scope = Scope(account, order.project, order.namespace)
    state = State(Path(order.folder), on_notice=lambda _: None)
    session_records = SessionRecords(state, scope, User(**order.user), "test")
    with ManagementClient(target) as client:
        specification = EndpointSpecification(
            owner, Environment({}), AccountVolumes(client, create=False), live=True
        )
        provisioner = Provisioner(
            client, specification, session_records=session_records, adopt=False, on_event=ignore
        )
        doomed = session_records.leave(keep=False)
        intents = [each for each in doomed if each.endpoint_id is None]
        provisioner.remove((each for each in doomed if each not in intents), unused=True)
        if intents:
            time.sleep(_SETTLING)
            provisioner.remove(intents, unused=True)


if __name__ == "__main__":
    main()
