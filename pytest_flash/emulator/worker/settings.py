"""What the platform tells a worker through its environment (runpod worker SDK 1.12.0)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from urllib.parse import quote

_PRIVATE_PREFIX = "RUNPOD_WEBHOOK_"
_PRIVATE = (
    "RUNPOD_AI_API_KEY",
    "FLASH_DEPENDENCIES_URL",
    "FLASH_EXCHANGE_URL",
    "FLASH_STACK_FILE",
    "FLASH_LOAD_BALANCED",
)


class SettingsMissing(Exception):
    """The process was not started as a worker: a variable of the platform is not set."""


@dataclass(frozen=True)
class WorkerSettings:
    """Addresses of the worker plane, placeholders of the worker's id filled in.

    ``take_url`` carries a query already; ``done_url`` and ``exchange_url`` keep the literal ``$ID``
    for the job's id.
    ``ping_interval`` is in seconds. ``ports`` are those to serve requests and health checks on,
    behind a load balancer; a worker of a queue has none.
    """

    worker_id: str
    take_url: str
    done_url: str
    exchange_url: str | None
    ping_url: str | None
    ping_interval: float
    dependencies_url: str | None
    stack_file: str | None
    ports: tuple[int, ...]
    credential: str = field(repr=False)

    @classmethod
    def take_from(cls, environ: MutableMapping[str, str]) -> WorkerSettings:
        """Read the settings and remove from ``environ`` what user code must not see.

        Raises SettingsMissing when a required variable is not set.
        """
        try:
            worker_id = environ["RUNPOD_POD_ID"]
            take_url = environ["RUNPOD_WEBHOOK_GET_JOB"]
            done_url = environ["RUNPOD_WEBHOOK_POST_OUTPUT"]
        except KeyError as error:
            raise SettingsMissing(f"{error.args[0]} is not set") from None
        quoted = quote(worker_id, safe="")
        ping_url = environ.get("RUNPOD_WEBHOOK_PING")
        settings = cls(
            worker_id=worker_id,
            take_url=take_url.replace("$ID", quoted),
            done_url=done_url.replace("$RUNPOD_POD_ID", quoted),
            exchange_url=environ.get("FLASH_EXCHANGE_URL"),
            ping_url=ping_url and ping_url.replace("$RUNPOD_POD_ID", quoted),
            ping_interval=int(environ.get("RUNPOD_PING_INTERVAL", "10000")) / 1000,
            dependencies_url=environ.get("FLASH_DEPENDENCIES_URL"),
            stack_file=environ.get("FLASH_STACK_FILE"),
            ports=_ports(environ) if "FLASH_LOAD_BALANCED" in environ else (),
            credential=environ.get("RUNPOD_AI_API_KEY", ""),
        )
        for name in list(environ):
            if name in _PRIVATE or name.startswith(_PRIVATE_PREFIX):
                del environ[name]
        return settings

    def job_done_url(self, job_id: str) -> str:
        """Where the result of one job is posted."""
        return self.done_url.replace("$ID", quote(job_id, safe=""))

    def job_exchange_url(self, job_id: str) -> str:
        """Where the result of one job is given for the next; only if there is such a place."""
        assert self.exchange_url is not None
        return self.exchange_url.replace("$ID", quote(job_id, safe=""))


def _ports(environ: Mapping[str, str]) -> tuple[int, ...]:
    """The ports that a load balancer expects a server on (Runpod docs, load-balancing)."""
    return tuple(sorted({int(environ[name]) for name in ("PORT", "PORT_HEALTH")}))
