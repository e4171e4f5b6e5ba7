"""Every error that pytest-flash raises, in one tree.

    FlashError
    ├── ConfigurationError          a resource or an argument of @remote is wrong
    │   └── CannotTravelError       a function, or what it needs, cannot be sent to a worker
    │       └── UndeclaredModuleError   it imports a module that no worker will have
    ├── SettingsError               an option, variable or configuration key is wrong
    │   ├── MissingKeyError         live was asked for and there is no API key
    │   ├── NoTargetError           nothing says where remote functions should run
    │   └── LiveRefusedError        a request to the cloud was refused under pytest
    ├── AppError                    the FastAPI app cannot be used
    │   ├── AppNotFoundError
    │   ├── AmbiguousAppError
    │   ├── AppImportError
    │   └── OfficialSdkError        its functions are an official SDK's, and the target is not live
    ├── ServerError                 the app did not start serving
    │   └── PortTakenError
    ├── EmulatorError               the embedded Runpod did not start, or stopped
    ├── RunpodError                 a request to Runpod's API failed
    │   ├── RunpodConnectionError   no answer arrived
    │   └── RunpodApiError          an answer that refuses the request
    │       ├── AuthenticationError     401
    │       └── NotFoundError           404
    ├── ProvisioningError           an endpoint could not be created or updated
    │   ├── EndpointLimitError      more would be created than this run may
    │   └── StateFileError          the file that remembers endpoints cannot be used
    └── RemoteError                 a call of a remote function did not return
        ├── JobFailedError          the function raised
        │   └── WorkerDiedError     its worker's process ended
        ├── JobTimedOutError        it ran for longer than allowed
        │   └── NoCapacityError     no worker took it in time
        ├── JobCancelledError
        ├── JobLostError            Runpod does not know the job any more
        ├── OutcomeUnknownError     the connection was lost before the job had a name; a RunpodError
        │                           too
        ├── PayloadTooLargeError    arguments and source exceed Runpod's limit; nothing was sent
        └── UnreadableResultError   the job completed, and its result cannot be read here

A message says what happened, where, and what to do next.
"""

from __future__ import annotations


class FlashError(Exception):
    """Base of every error that pytest-flash raises on purpose."""


class FlashWarning(UserWarning):
    """Something in a definition has no meaning here and is left out, or is replaced."""


class ConfigurationError(FlashError):
    """A resource or an argument of ``@remote`` has a value that cannot work."""


class CannotTravelError(ConfigurationError):
    """A function, or a value that it needs, cannot be sent to a worker. Nothing was sent."""


class UndeclaredModuleError(CannotTravelError, ModuleNotFoundError):
    """A function imports a module that its ``dependencies`` do not bring. Nothing was sent."""


class SettingsError(FlashError):
    """An option, environment variable or configuration key cannot be used."""


class MissingKeyError(SettingsError):
    """Runpod was chosen as the target and no API key was found."""


class NoTargetError(SettingsError):
    """A remote function was called and nothing says where it should run."""


class LiveRefusedError(SettingsError):
    """A call would have reached Runpod's cloud from a test run that was not granted it."""


class AppError(FlashError):
    """The FastAPI app cannot be used."""


class AppNotFoundError(AppError):
    """No file, module or attribute holds a FastAPI app."""


class AmbiguousAppError(AppError):
    """Several FastAPI apps were found and none was chosen."""


class AppImportError(AppError):
    """The app's module raised while it was imported."""


class OfficialSdkError(AppError):
    """An official SDK would run the app's functions on Runpod, and the target is not live."""


class ServerError(FlashError):
    """The app was found but did not start serving."""


class PortTakenError(ServerError):
    """Another process listens on the port."""


class EmulatorError(FlashError):
    """The embedded Runpod did not start, or stopped while it was needed."""


class RunpodError(FlashError):
    """A request to Runpod's API failed."""


class RunpodConnectionError(RunpodError):
    """No complete answer arrived: refused, reset or timed out.

    ``reached`` is False where no connection was made, so that Runpod never saw the request.
    ``passes`` is True where that was for want of time, of files or of a network: sent again soon,
    it may succeed.
    """

    reached: bool = True
    passes: bool = False


class RunpodApiError(RunpodError):
    """Runpod answered and refused the request.

    ``title`` and ``detail`` come from the ``application/problem+json`` body where there is one;
    ``retry_after`` is the seconds that a 429 asks to wait. ``hint`` says what to do about it,
    where that is known; it ends the message.
    """

    retry_after: int | None = None

    def __init__(
        self, status: int, title: str, detail: str, method: str, path: str, hint: str = ""
    ) -> None:
        super().__init__(f"{method} {path}: {status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.method = method
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        told = self.status, self.title, self.detail, self.method, self.path, self.hint
        return type(self), told


class AuthenticationError(RunpodApiError):
    """401: the API key is missing, malformed, expired or unknown.

    ``hint`` says where the key came from.
    """


class NotFoundError(RunpodApiError):
    """404: the endpoint, job or volume does not exist, or this key cannot see it."""


class ProvisioningError(FlashError):
    """An endpoint could not be created or updated."""


class EndpointLimitError(ProvisioningError):
    """More endpoints would be created than this run may create."""


class StateFileError(ProvisioningError):
    """What remembers endpoints on this machine cannot be read or written: the disk refuses."""


class RemoteError(FlashError):
    """A call of a remote function did not return.

    ``job_id``, ``endpoint_id`` and ``worker_id`` are None until they are known; ``stdout`` is what
    the function printed and logged. ``remote_traceback`` is the worker's traceback as text, None
    where nothing was raised there.
    """

    def __init__(
        self,
        message: str,
        *,
        job_id: str | None = None,
        endpoint_id: str | None = None,
        worker_id: str | None = None,
        stdout: str = "",
        remote_traceback: str | None = None,
    ) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.endpoint_id = endpoint_id
        self.worker_id = worker_id
        self.stdout = stdout
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        # KeyError, where an error is also one, would show the message's repr.
        return str(self.args[0]) if self.args else ""


class JobFailedError(RemoteError):
    """The job ended FAILED: the function raised, or its worker died."""


class WorkerDiedError(JobFailedError):
    """The process of the worker ended while it ran the job."""


class JobTimedOutError(RemoteError):
    """The job ended TIMED_OUT: it ran, or waited, for longer than its endpoint allows."""


class NoCapacityError(JobTimedOutError):
    """No worker took the job in time."""


class JobCancelledError(RemoteError):
    """The job ended CANCELLED by someone else."""


class JobLostError(RemoteError):
    """Runpod does not know the job: it expired, or its endpoint was deleted."""


class OutcomeUnknownError(RemoteError, RunpodError):
    """The connection was lost before Runpod named the job: it may have run, or may run still."""


class PayloadTooLargeError(RemoteError):
    """Arguments and source together are larger than Runpod takes. Nothing was sent."""


class UnreadableResultError(RemoteError):
    """The job completed, and its result cannot be read here."""
