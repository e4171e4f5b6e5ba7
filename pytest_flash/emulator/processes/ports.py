"""Ports for the HTTP servers of workers, which share this machine's loopback."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import EmulatorError

# Below the ports that systems hand out by themselves, so that no connection takes one meanwhile.
_RANGE = range(20_000, 32_768)
_TRIES = 200
_LOOPBACK = "127.0.0.1"

# Runpod docs, load-balancing/overview: the port, and by default the health check's, too.
_PORT, _PORT_HEALTH, _DEFAULT = "PORT", "PORT_HEALTH", "80"


@dataclass(frozen=True)
class WorkerPorts:
    """Where a worker serves requests, and where its health check; often the same."""

    main: int
    health: int

    def environment(self) -> dict[str, str]:
        """The variables that tell the worker."""
        return {_PORT: str(self.main), _PORT_HEALTH: str(self.health)}


class Ports:
    """Hands out ports, none of them twice at a time. Safe to share by threads.

    Containers have a network each and all can serve port 80; processes need ports of their own.
    """

    def __init__(self) -> None:
        self._given: dict[str, WorkerPorts] = {}
        self._lock = threading.Lock()

    def reserve(self, worker_id: str, env: Mapping[str, str]) -> WorkerPorts:
        """Ports for a worker, two where its endpoint's ``env`` names two. Raises EmulatorError."""
        main = env.get(_PORT, _DEFAULT)
        with self._lock:
            first = self._free()
            second = first if env.get(_PORT_HEALTH, main) == main else self._free(but=first)
            self._given[worker_id] = WorkerPorts(first, second)
            return self._given[worker_id]

    def of(self, worker_id: str) -> WorkerPorts | None:
        """The ports of a worker."""
        return self._given.get(worker_id)

    def release(self, worker_id: str) -> None:
        """A worker is gone."""
        with self._lock:
            self._given.pop(worker_id, None)

    def _free(self, but: int | None = None) -> int:
        taken = {port for each in self._given.values() for port in (each.main, each.health)}
        for _ in range(_TRIES):
            port = random.choice(_RANGE)
            if port not in taken and port != but and _can_be_bound(port):
                return port
        raise EmulatorError(f"no port from {_RANGE.start} to {_RANGE.stop - 1} seems to be free")


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True
