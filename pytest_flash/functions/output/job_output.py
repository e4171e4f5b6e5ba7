"""What one job prints, heard while it runs, each line once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from ...clock import monotonic
from ...runpod import JobState, JobStatus
from ..onworker.log_marks import Piece
from ..onworker.signing import Signer
from ..onworker.transcript import LEFT_OUT
from ..protocol.function_messages import CapturedOutput
from .received_text import ReceivedText, shown

# Jobs that are over sooner tell all they printed with their result, unless their worker's log is
# being read already.
_PATIENCE = 1.0
# A line without an end is told in parts of this.
_ENDLESS = 65_536


class LogReaders(Protocol):
    """Whoever reads the logs of workers on behalf of jobs."""

    def expect(self, listening: JobListener) -> None:
        """Pass on to ``listening`` what its call prints, whatever log is read."""

    def seek(self, listening: JobListener) -> None:
        """Read the log of its worker, or look for its worker, until it leaves."""

    def leave(self, listening: JobListener) -> None:
        """Read no log for it any more."""


class JobListener:
    """Listens to one job, to what is signed by ``signer``.

    ``tell`` gets what it printed, whole lines, and the worker's id; it is called from the thread
    that reads the logs. Without ``listeners`` nothing is heard before the end. The rest may be
    called from any thread.
    """

    def __init__(
        self,
        listeners: LogReaders | None,
        endpoint_id: str,
        signer: Signer,
        tell: Callable[[str, str | None], None],
    ) -> None:
        self.endpoint_id = endpoint_id
        self.signer = signer
        self.worker_id: str | None = None
        self._listeners = listeners
        self._tell = tell
        self._lock = threading.Lock()
        self._began = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = self._sought = self._closed = False
        self._run = ""
        self._heard = ReceivedText()
        self._begun: Piece | None = None
        if listeners is not None:
            listeners.expect(self)

    @property
    def text(self) -> str:
        """Everything that was heard."""
        with self._lock:
            return self._heard.text + (self._begun.text if self._begun else "")

    def begin(self) -> None:
        """The job is being submitted: listen once it has run for a while."""
        self._wanted = True
        if self._listeners is not None:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self.seek)

    def seek(self, worker_id: str | None = None) -> None:
        """Have the log read in which the job is heard: that of this worker, if it is known."""
        if self._listeners is not None and not self._closed:
            if self._sought and worker_id in (None, self.worker_id):
                return
            self.worker_id = worker_id or self.worker_id
            self._sought = True
            self._listeners.seek(self)

    def update(self, job: JobStatus) -> None:
        """The job was looked at."""
        if job.state is JobState.IN_QUEUE:
            self.stop()  # It has no worker, and is looked at again.
        elif not job.state.is_terminal and (
            self._sought or (self._wanted and monotonic() - self._began >= _PATIENCE)
        ):
            self.seek(job.worker_id)

    def stop(self) -> None:
        """Nobody waits for the job now; what is heard of it all the same is told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listeners is not None and self._sought:
            self._sought = False
            self._listeners.leave(self)

    def take(self, piece: Piece, worker_id: str) -> None:
        """The log of a worker says some of what the job prints."""
        with self._lock:
            if self._closed:
                return
            if piece.run != self._run:
                # Another worker runs it, since the first was lost.
                self._run, self._heard, self._begun = piece.run, ReceivedText(), None
            self.worker_id = worker_id
            for at, text in self._heard.missing(piece.at, piece.text):
                self._add(at, text)

    def rest(self, output: CapturedOutput | None) -> str:
        """The job is over and printed ``output``: the lines that were not told. Ends the telling.

        Where ``output`` is of another run than what was heard, that is all of it. Where there is
        none, because the job was ended, it is the line that was begun.
        """
        self.stop()
        with self._lock:
            self._closed = True
            if output is None:
                return shown(self._begun.text) if self._begun else ""
            if not output.run or output.run != self._run:
                return shown(output.text)
            rest = self._heard.unheard(output.kept, output.left_out)
            # That something is left out matters where nobody has heard it.
            told = output.text == output.kept or self._heard.has(output.left_out - 1)
            return shown(rest if told else LEFT_OUT + rest)

    def _add(self, at: int, text: str) -> None:
        begun = self._begun
        if begun is not None:
            end = begun.at + len(begun.text)
            if begun.at <= at < end:
                at, text = end, text[end - at :]
            if not text:
                return
            if at == end:
                at, text = begun.at, begun.text + text
        if text.endswith("\n") or "\r" in text or len(text) > _ENDLESS:
            self._begun = None
            self._heard.add(at, text)
            line = shown(text).removesuffix("\n")
            if line or "\r" not in text:
                self._tell(f"{line}\n", self.worker_id)
        else:
            self._begun = Piece(self._run, at, text)
