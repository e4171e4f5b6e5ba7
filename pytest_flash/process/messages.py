"""Messages between our own processes, sent and read without waiting for the other side.

There is one framing, that of ``multiprocessing.connection``: where a thread of its own reads or
writes, as between the processes of a test run, that does so itself.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

from .nonblocking_output import Dropped, Writer

# Bytes of what the other side does not read, such as while it is stopped.
_KEPT = 8_000_000
_PIECE = 1 << 18
_LENGTH = struct.Struct("!i")


class OutgoingMessages(Writer):
    """Sends messages over the socket ``descriptor``, in order, now or later. Thread-safe."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, _KEPT, Dropped())

    def send(self, message: object, *, droppable: bool = False) -> None:
        """Send ``message``; one that is ``droppable`` only while not too much waits.

        Raises OSError where the other side has gone.
        """
        data = pickle.dumps(message)
        self.write(_LENGTH.pack(len(data)) + data, must=not droppable)


class IncomingMessages:
    """Messages as they come over the socket ``descriptor``, which is ready to be read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._received = bytearray()

    def read(self) -> list[Any]:
        """Read what is there; the messages that it completes. Raises EOFError and OSError."""
        piece = os.read(self._descriptor, _PIECE)
        if not piece:
            raise EOFError
        self._received += piece
        messages = []
        while (end := self._end()) is not None:
            messages.append(pickle.loads(self._received[_LENGTH.size : end]))
            del self._received[:end]
        return messages

    def _end(self) -> int | None:
        """Where the first message ends, if it is complete."""
        if len(self._received) < _LENGTH.size:
            return None
        end = _LENGTH.size + int(_LENGTH.unpack_from(self._received)[0])
        return end if len(self._received) >= end else None
