"""Remote functions connected to a target: what ``flash run``, the plugin and scripts share."""

from __future__ import annotations

import functools
from pathlib import Path

from anyio import to_thread

from .events import EventSink, ignore
from .functions.calls import RemoteCalls
from .project import find_project
from .provisioner.provisioner import Owner, Provisioner
from .resources import ServerlessResource
from .runpod import Endpoint, ManagementClient, QueueClient
from .settings import Environment, read_process_environment
from .target import Target, open_plain


class Session:
    """A target with the clients that talk to it. Use ``calls`` to run remote functions."""

    def __init__(
        self,
        target: Target,
        *,
        owner: Owner,
        environment: Environment,
        on_event: EventSink = ignore,
    ) -> None:
        self.target = target
        self._management = ManagementClient(target)
        self._queue = QueueClient(target)
        self.provisioner = Provisioner(
            self._management,
            owner=owner,
            environment=environment,
            live=target.is_live,
            on_event=on_event,
        )
        self.calls = RemoteCalls(self._queue, self._endpoint_for)

    def close(self) -> None:
        """Close the management connections; a queue connection closes with its event loop."""
        self._management.close()

    async def _endpoint_for(self, resource: ServerlessResource, gone: Endpoint | None) -> Endpoint:
        known = self.provisioner.known(resource)
        if known is not None and known is not gone:
            return known
        # A thread, since provisioning is synchronous and may take a minute.
        return await to_thread.run_sync(functools.partial(self.provisioner.ensure, resource, gone))


def connect_from_environment() -> RemoteCalls:
    """Calls for a process that nobody set up: a script, plain uvicorn. The target is live.

    Raises NoTargetError without a key, LiveRefusedError under pytest.
    """
    environment = read_process_environment()
    target = open_plain(environment)
    owner = Owner(find_project(Path.cwd()).name)
    return Session(target, owner=owner, environment=environment).calls
