"""Runs one call: what the official worker finds under the function's name."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from . import error_description, pickles, placeholders
from .bundle import Bundle, Shipped, Value
from .child_processes import inheriting
from .modules import Store
from .signing import Signer
from .slices import Slice
from .transcript import Output, Transcript, encodable

ANSWER = "pytest-flash answer"
# That and the signature of it: what follows was written here, for the call whose secret it is.
Answer = tuple[str, str, Output, bytes]

# Bytes that an answer may need beside the result and the output that its caller gets, among them
# the output as the worker captured it.
_BESIDES = 1_000_000

_STORE = Store()
_getpid = os.getpid  # A function may leave another in its place.
# The instances of classes that are carried: pickle knows such a class again when it comes again.
_CARRIED: dict[Any, Any] = {}


class ReplacedError(Exception):
    """Stands for what the function raised, which the worker would not report."""


class UnsendableResultError(TypeError):
    """What the function returned cannot be pickled, or is too large."""


class UnreadableArgumentError(TypeError):
    """What an argument was pickled to cannot be unpickled."""


@dataclass(frozen=True)
class CallTarget:
    """What to call. ``kind``: ``named`` in its module, ``carried`` with the arguments, or a
    ``method`` of the class that is named; ``method`` is set for one of a class that is carried,
    too. ``limit``: the bytes that a result may have."""

    kind: str
    module: str
    path: str
    method: str
    limit: int

    @property
    def name(self) -> str:
        """The function's name, for people."""
        return ".".join(filter(None, (self.path, self.method))) or "the function"


def entry(
    target: tuple[Any, ...],
    awaits: bool,
    modules: tuple[tuple[Any, ...], ...],
    sources: tuple[str, ...],
) -> Callable[..., Any]:
    """The function that the worker calls with a header and the arguments, both pickled bytes, and
    the call's secret.

    It returns ``(ANSWER, signature, output, pickled result)``, or raises what the function raised
    after leaving its description in the captured output. With ``aloud`` the output is said in the
    worker's log, too.
    """
    bundle = _bundle(modules, sources)
    what = CallTarget(*target)
    if awaits:

        async def call(
            header: bytes, data: bytes, secret: bytearray, aloud: bool = False
        ) -> Answer:
            transcript = Transcript(Signer.taking(secret), aloud)
            with _job(bundle, what, header, data, awaits, transcript) as (job, begin):
                value = begin()
                job.result = await value if inspect.isawaitable(value) else value
            return job.answer()

        return call

    def call_now(header: bytes, data: bytes, secret: bytearray, aloud: bool = False) -> Answer:
        transcript = Transcript(Signer.taking(secret), aloud)
        with _job(bundle, what, header, data, awaits, transcript) as (job, begin):
            job.result = begin()
        return job.answer()

    return call_now


def adopt(data: bytes) -> None:
    """Have the modules of a call of the process that has started this one."""
    modules, sources, values = pickle.loads(data)
    _STORE.adopt(Bundle(modules, sources), values)


@functools.lru_cache(maxsize=32)
def _bundle(modules: tuple[tuple[Any, ...], ...], sources: tuple[str, ...]) -> Bundle:
    return Bundle(tuple(Shipped(*each) for each in modules), sources)


class _Job:
    def __init__(self, transcript: Transcript, limit: int) -> None:
        self.transcript = transcript
        self._limit = limit
        self.result: Any = None
        self.data = b""
        self.described = ""

    def answer(self) -> Answer:
        # The result goes first: the output gets what room there is besides, in UTF-8.
        room = (self._limit * 3 // 4 - len(self.data) - _BESIDES) // 4
        output = self.transcript.output(max(0, room))
        return ANSWER, self.transcript.signer.sign(ANSWER), output, self.data


@contextmanager
def _job(
    bundle: Bundle,
    target: CallTarget,
    header: bytes,
    data: bytes,
    awaits: bool,
    transcript: Transcript,
) -> Iterator[tuple[_Job, Callable[[], Any]]]:
    with transcript:
        job = _Job(transcript, target.limit)
        process, limit = _getpid(), sys.getrecursionlimit()
        values, init = pickle.loads(header)
        try:
            given = [Value(*each) for each in values]
            with inheriting(bundle, given), _STORE.active(bundle, given) as slices:
                try:
                    try:
                        yield job, _prepared(target, slices, init, data)
                    finally:
                        _restore(process, limit)
                    job.data = dumps(job.result, target)
                except Exception as error:
                    # Here, while the classes of what it holds are found by their names.
                    _STORE.show()
                    job.described = error_description.describe(error, transcript.output())
                    raise
        except BaseException as error:
            if awaits and _is_stop(error):
                raise
            described = job.described or error_description.describe(error, transcript.output())
            transcript.whisper(error_description.signed(described, transcript.signer))
            if not _is_reported(error):
                text = f"{type(error).__name__}: {error_description.text_of(error)}"
                raise ReplacedError(encodable(text)) from None
            raise


def _restore(process: int, limit: int) -> None:
    """Put back what our own code needs, as soon as the function has returned or raised."""
    if _getpid() != process:
        os._exit(1)  # Forked by the function: it would answer in its parent's name.
    if sys.getrecursionlimit() < limit:
        sys.setrecursionlimit(limit)


def _prepared(
    target: CallTarget, slices: dict[str, Slice], init: tuple[bytes, bytes], data: bytes
) -> Callable[[], Any]:
    if target.kind == "carried":
        function, args, kwargs = _loads(data, target)
        instances = _CARRIED
    else:
        args, kwargs = _loads(data, target)
        function = slices[target.module].module
        for part in target.path.split("."):
            function = getattr(function, part)
        function = placeholders.behind(function)
        instances = slices[target.module].instances
    if target.method:
        function = getattr(_instance(instances, function, init, target), target.method)
    return lambda: function(*args, **kwargs)


def _loads(data: bytes, target: CallTarget) -> Any:
    try:
        return pickles.loads(data)
    except (ImportError, AttributeError):
        raise  # What the worker lacks is named, and the caller says how to declare it.
    except Exception as error:  # runs the user's __setstate__ and constructors
        raise UnreadableArgumentError(
            f"an argument of {target.name} cannot be unpickled on the worker: "
            f"{type(error).__name__}: {error}; pass plain data, or give its class a __reduce__ "
            "that fits its constructor"
        ) from error


def _instance(
    instances: dict[Any, Any], kind: Any, init: tuple[bytes, bytes], target: CallTarget
) -> Any:
    """The instance that these arguments construct, once for each worker process."""
    data, digest = init
    key = (kind, digest)
    if key not in instances:
        args, kwargs = _loads(data, target)
        instances[key] = kind(*args, **kwargs)
    return instances[key]


def dumps(value: Any, target: CallTarget) -> bytes:
    """What a function returned, pickled. Raises UnsendableResultError."""
    try:
        data: bytes = pickles.dumps(value)
    except Exception as error:  # runs the user's __reduce__ and __getstate__
        if isinstance(error, ImportError) and placeholders.is_of_placeholder(error):
            raise error.with_traceback(None) from None
        way_out = "return plain data"
        if inspect.isawaitable(value):
            way_out = f"await it in {target.name}, defined with async"
        elif inspect.isgenerator(value) or inspect.isasyncgen(value):
            way_out = "return a list"
        raise UnsendableResultError(
            f"{target.name} returned a {type(value).__name__}, which cannot be sent back: "
            f"{error}; {way_out}"
        ) from error
    sent = len(data) * 4 // 3  # as base64
    if sent > target.limit:
        raise UnsendableResultError(
            f"{target.name} returned {sent / 1e6:.1f} MB as sent, and Runpod takes "
            f"{target.limit / 1e6:.0f} MB; store it, such as on a network volume, and return "
            "where it is"
        )
    return data


def _is_stop(error: BaseException) -> bool:
    """Whether the worker stops the job, rather than the function raising ``error`` itself."""
    if isinstance(error, asyncio.CancelledError):
        # Python 3.10 does not tell.
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        return cancelling is None or cancelling() > 0
    return isinstance(error, GeneratorExit)


def _is_reported(error: BaseException) -> bool:
    """Whether a worker reports ``error``. It exits, takes it for an iterator's end, or cannot
    read or send it."""
    if not isinstance(error, Exception) or isinstance(error, StopIteration | StopAsyncIteration):
        return False
    return error_description.has_text(error)
