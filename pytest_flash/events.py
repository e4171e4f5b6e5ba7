"""What the core reports while it works. The command line and the plugin decide how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TargetChosen:
    """Where remote functions will run, why, and how to choose otherwise.

    ``kind`` is ``live``, ``emulator``, or ``in_process`` where they run beside the app.
    """

    kind: str
    url: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class EndpointPending:
    """Work on an endpoint has begun. ``action`` says which, such as creating."""

    name: str
    action: str

    @property
    def text(self) -> str:
        """What happens to which endpoint."""
        return f"{self.name} {self.action}"

    def __str__(self) -> str:
        return f"endpoint {self.text}"


@dataclass(frozen=True)
class EndpointReady:
    """An endpoint exists. ``action`` says what was done: created, reused, adopted and so on."""

    name: str
    endpoint_id: str
    action: str
    seconds: float

    @property
    def text(self) -> str:
        """What happened to which endpoint."""
        return f"{self.name} {self.action} in {self.seconds:.2f} s"

    def __str__(self) -> str:
        return f"endpoint {self.text}"


@dataclass(frozen=True)
class EndpointRemoved:
    """An endpoint was deleted."""

    name: str
    endpoint_id: str

    @property
    def text(self) -> str:
        """What happened to which endpoint."""
        return f"{self.name} deleted"

    def __str__(self) -> str:
        return f"endpoint {self.text}"


@dataclass(frozen=True)
class FunctionFound:
    """A function that the app will call remotely. ``location`` is its ``file:line``."""

    name: str
    location: str
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class EndpointFound:
    """An endpoint that the app's functions run on.

    ``exists`` says whether it is known to exist already; otherwise its first call creates it.
    ``configuration`` is what its resource asks for, as labels with values in words; of variables
    it has the names only.
    """

    name: str
    hardware: str
    functions: tuple[FunctionFound, ...]
    exists: bool = False
    configuration: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Serving:
    """The app answers at ``url``. ``generation`` counts the times its code was loaded.

    ``reload`` says whether changed files bring up new code. ``console`` is the address that opens
    the console, token included; None without one.
    """

    url: str
    app: str
    generation: int
    endpoints: tuple[EndpointFound, ...]
    reload: bool = True
    console: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AppBroken:
    """The app's code could not be loaded; ``text`` says where and why."""

    text: str


@dataclass(frozen=True)
class Reloading:
    """Files changed, and the app is loaded again."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class ServerEnded:
    """The process that served the app ended by itself, with this exit code."""

    code: int


@dataclass(frozen=True)
class PlannedStep:
    """What would happen to one endpoint."""

    endpoint: str
    action: str
    hardware: str
    detail: str


@dataclass(frozen=True)
class Planned:
    """What provisioning would do."""

    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True)
class JobStarted:
    """A remote function was called and its job is being submitted.

    ``call`` numbers the calls of one session, from 1; the job's id is not known yet.
    ``location`` is the function's ``file:line``. A session that records values says in ``input``
    what was passed, shortened, and keeps in ``arguments`` what ``RemoteCalls.repeat`` takes,
    unless that is large.
    """

    call: int
    function: str
    location: str
    endpoint: str
    endpoint_id: str
    input: str | None = None
    arguments: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class JobNamed:
    """Runpod named the job of a call, which has not ended."""

    call: int
    job_id: str


@dataclass(frozen=True)
class JobOutput:
    """What a remote function printed or logged: whole lines, each reported once.

    ``worker_id`` is None where it is not known. ``job_id`` is empty while Runpod has not named the
    job, and behind a load balancer, which knows no jobs.
    """

    call: int
    function: str
    location: str
    endpoint: str
    job_id: str
    worker_id: str | None
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, without their ends, each behind the function and the number of its call."""
        lines = self.text.removesuffix("\n").split("\n")
        return tuple(f"{self.function} #{self.call} | {line}" for line in lines)


@dataclass(frozen=True)
class JobEnded:
    """A call is over.

    ``state`` is the job's terminal state, or None when the call ended without one: no answer
    arrived, or its caller was cancelled. The times are milliseconds, None where unknown. ``cold``
    says that this session saw the job's worker for the first time. ``stdout`` is all that the
    function printed and logged, which JobOutput has reported already. ``error`` is the text that
    the worker, or the client, gave, and ``traceback`` the remote traceback of a function that
    raised; ``output``, where values are recorded, the result, shortened.
    """

    call: int
    function: str
    location: str
    endpoint: str
    endpoint_id: str
    job_id: str | None
    state: str | None
    delay_time: int | None
    execution_time: int | None
    worker_id: str | None
    cold: bool
    stdout: str
    error: str | None
    output: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Notice:
    """Something that a person should know, in words."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Waiting(Notice):
    """What a call that takes long to begin waits for, in words."""


@dataclass(frozen=True)
class PortTaken:
    """The default port was busy, and another one is used."""

    wanted: int
    used: int


Event = (
    TargetChosen
    | EndpointPending
    | EndpointReady
    | EndpointRemoved
    | Serving
    | AppBroken
    | Reloading
    | ServerEnded
    | PortTaken
    | Planned
    | JobStarted
    | JobNamed
    | JobOutput
    | JobEnded
    | Notice
)
EventSink = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An EventSink for callers that show nothing."""
