"""The worker plane: the calls a worker makes to its platform (runpod worker SDK 1.12.0)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from .http.http_text import Reply, TransportError, decode_json, encode_json
from .http.loop_connection import AsyncConnection
from .http.thread_connection import ThreadConnection
from .settings import WorkerSettings

_TAKE_TIMEOUT = 90.0
_PING_TIMEOUT = 20.0
_INSTALL_TIMEOUT = 300.0
_PROTOCOL_VERSION = "1.12.0"


@dataclass(frozen=True)
class TakenJob:
    """One job as job-take hands it over; ``input`` is any JSON value."""

    id: str
    input: object


class PlaneError(Exception):
    """The platform did not answer, or not as the protocol says. ``pause``: seconds it asks for."""

    def __init__(self, message: str, *, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class WorkerPlane:
    """Takes jobs and posts results over one keep-alive connection, one request at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._connection = AsyncConnection(timeout=_TAKE_TIMEOUT)
        self._headers = {
            "Authorization": settings.credential,
            "User-Agent": "pytest-flash-worker",
        }

    async def take(self) -> TakenJob | None:
        """Wait for a job; None when the platform's long poll ends without one.

        Raises PlaneError for no answer, an error status, or a job without ``id`` and ``input``.
        """
        headers = self._headers | {"Content-Type": "application/json"}
        url = f"{self._settings.take_url}&job_in_progress=0"
        reply = await self._ask("GET", url, headers)
        if reply.status in (204, 400):  # 400 is the platform's "no job" under FlashBoot
            return None
        if reply.status == 429:
            raise PlaneError("job-take: 429, too many requests", pause=5.0)
        if reply.status != 200:
            raise PlaneError(f"job-take: {reply.status} {reply.body[:200]!r}")
        return _job(reply.body) if reply.body else None

    @property
    def exchanges(self) -> bool:
        """Whether this platform has ``exchange``: the emulator does."""
        return self._settings.exchange_url is not None

    async def exchange(self, job_id: str, body: bytes) -> TakenJob | None:
        """``done`` and ``take`` in one request.

        Raises PlaneError for whatever goes wrong. The result may have arrived then: ``done`` will
        tell, which changes nothing if it has.
        """
        url = self._settings.job_exchange_url(job_id)
        reply = await self._ask("POST", url, self._headers, body)
        if reply.status not in (200, 204):
            raise PlaneError(f"job-exchange: {reply.status} {reply.body[:200]!r}")
        return _job(reply.body) if reply.body else None

    async def done(self, job_id: str, body: bytes) -> Reply:
        """Post the final result of a job, JSON text. Raises PlaneError without an answer."""
        headers = self._headers | {
            "Content-Type": "application/x-www-form-urlencoded",
            "charset": "utf-8",
            "X-Request-ID": job_id,
        }
        url = f"{self._settings.job_done_url(job_id)}&isStream=false"
        return await self._ask("POST", url, headers, body)

    def provide(self, dependencies: list[str], system_dependencies: list[str]) -> Reply:
        """Ask the emulator for the folders of packages; blocks, maybe for minutes.

        Raises PlaneError without an answer, or where this platform provides none.
        """
        if self._settings.dependencies_url is None:
            raise PlaneError("FLASH_DEPENDENCIES_URL is not set: nothing here installs packages")
        body = {"dependencies": dependencies, "system_dependencies": system_dependencies}
        connection = ThreadConnection(timeout=_INSTALL_TIMEOUT)
        try:
            return _send(
                connection,
                "POST",
                self._settings.dependencies_url,
                self._headers | {"Content-Type": "application/json"},
                encode_json(body).encode(),
            )
        finally:
            connection.close()

    def abandon(self) -> None:
        """Make the request that is being waited for fail; later ones have another connection."""
        self._connection.abort()
        self._connection = AsyncConnection(timeout=_TAKE_TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> Reply:
        try:
            return await self._connection.send(method, url, headers, body)
        except TransportError as error:
            raise PlaneError(str(error)) from error


class Pinger:
    """Tells the platform that this worker lives, over a connection of its own."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._connection = ThreadConnection(timeout=_PING_TIMEOUT)

    def ping(self, job_id: str | None) -> None:
        """Send one ping; one that cannot be delivered is not repeated.

        Raises PlaneError without an answer.
        """
        if self._settings.ping_url is None:
            return
        query = {"job_id": job_id} if job_id is not None else {}
        query["runpod_version"] = _PROTOCOL_VERSION
        url = f"{self._settings.ping_url}{'&' if '?' in self._settings.ping_url else '?'}"
        headers = {"Authorization": self._settings.credential}
        _send(self._connection, "GET", url + urlencode(query), headers)


def _send(
    connection: ThreadConnection,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes = b"",
) -> Reply:
    try:
        return connection.send(method, url, headers, body)
    except TransportError as error:
        raise PlaneError(str(error)) from error


def _job(body: bytes) -> TakenJob:
    try:
        value = decode_json(body.decode())
    except ValueError as error:
        raise PlaneError(f"job-take: an answer that is no JSON: {error}") from error
    if not isinstance(value, dict) or not value.get("id") or "input" not in value:
        raise PlaneError("job-take: a job without id or input")
    return TakenJob(id=str(value["id"]), input=value["input"])
