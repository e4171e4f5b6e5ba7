"""The platform of a run for its other processes: served on loopback by the one that has it."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..errors import EmulatorError, FlashError
from .broker_connections import Listener, connect

if TYPE_CHECKING:
    from ..emulator.startup.announcement import Announcement
    from ..progress import Job
    from ..provisioner.provisioner import Source
    from ..resources import ServerlessResource
    from ..runpod import Endpoint
    from ..target import Target
    from .shared_runpod import LocalPlatform, Order

# The other process has ended, or is not ours.
_LOST = (EOFError, OSError)


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens, and the key that lets a process in."""

    port: int
    key: str

    def plain(self) -> dict[str, object]:
        """As a dict that execnet can carry."""
        return {"port": self.port, "key": self.key}


class Broker:
    """Serves ``platform`` until it is closed; a thread for each connection.

    A request is one connection: a pickled method name with its arguments, answered by a pickled
    result or FlashError. Job counts come over one that stays.
    """

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform
        key = secrets.token_hex(16)
        self._listener = Listener(key.encode(), self._serve)
        self.address = BrokerAddress(self._listener.port, key)

    def close(self) -> None:
        """Take no more requests."""
        self._listener.close()

    def _serve(self, connection: Connection) -> None:
        while True:
            answer = self._answer(connection.recv_bytes())
            if answer is not None:
                connection.send(answer)

    def _answer(self, request: bytes) -> object:
        try:
            method, arguments = pickle.loads(request)
            return getattr(self._platform, method)(*arguments)
        except FlashError as error:
            return _portable(error)
        except Exception as error:  # noqa: BLE001 - raised in the process that asked
            return EmulatorError(f"the run's Runpod: {type(error).__name__}: {error}")


class BrokeredPlatform:
    """The platform of another process, in one that runs tests for it; a ``Platform``.

    ``on_lost`` is called, in a thread, when that process has ended before ``close``.
    """

    def __init__(self, address: BrokerAddress, on_lost: Callable[[], None]) -> None:
        self._address = address
        self._on_lost = on_lost
        self._counts: Connection | None = None
        self._lock = threading.Lock()
        self._closed = False

    def address(self) -> Announcement:
        """As ``Platform.address``."""
        address: Announcement = self._ask("address")
        return address

    def open(self, order: Order) -> Target:
        """As ``Platform.open``."""
        target: Target = self._ask("open", order)
        threading.Thread(target=self._watch, name="flash-watch", daemon=True).start()
        return target

    def provision(self, resources: Sequence[Source]) -> dict[str, Endpoint]:
        """As ``Platform.provision``."""
        endpoints: dict[str, Endpoint] = self._ask("provision", resources)
        return endpoints

    def replace(self, resource: ServerlessResource, file: str, gone: Endpoint) -> Endpoint:
        """As ``Platform.replace``."""
        endpoint: Endpoint = self._ask("replace", resource, file, gone)
        return endpoint

    def trouble(self) -> str:
        """As ``Platform.trouble``."""
        return str(self._ask("trouble"))

    def job_ended(self, job: Job) -> None:
        """As ``Platform.job_ended``; a run that is ending does not count any more."""
        with self._lock, contextlib.suppress(*_LOST):
            if self._counts is None:
                self._counts = self._connect()
            self._counts.send(("job_ended", (job,)))

    def close(self) -> None:
        """Send no more counts."""
        self._closed = True
        with self._lock:
            if self._counts is not None:
                self._counts.close()

    def _watch(self) -> None:
        # Nothing is ever sent on this connection; its end is the other process's.
        with contextlib.suppress(*_LOST), self._connect() as connection:
            connection.recv_bytes()
        if not self._closed:
            self._on_lost()

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            with self._connect() as connection:
                connection.send((method, arguments))
                answer = connection.recv()
        except _LOST as error:
            raise EmulatorError(
                "pytest's controlling process, which has the run's Runpod, does not answer: "
                f"{type(error).__name__} {error}. It is ending, is stopped, or was killed"
            ) from None
        if isinstance(answer, FlashError):
            raise answer
        return answer

    def _connect(self) -> Connection:
        return connect(self._address.port, self._address.key.encode())


def _portable(error: FlashError) -> FlashError:
    """``error``, or one with its text if it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as trouble:  # noqa: BLE001 - pickling runs any class's own code
        return EmulatorError(f"{type(error).__name__}: {error} ({trouble})")
    return error
