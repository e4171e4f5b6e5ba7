"""An HTTP connection that knows when it is idle, and can then be handed over."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from .connection_handover import HandOver, park


class ServedConnection(HttpToolsProtocol):
    """uvicorn's protocol over httptools. ``received`` is what an earlier process read from it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        hand_over: HandOver,
        received: bytes,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._hand_over = hand_over
        self._received = received
        self._request_arriving = False

    @property
    def is_idle(self) -> bool:
        """Whether no part of a request or an answer is under way."""
        # None until the first request, whatever its type says.
        cycle: RequestResponseCycle | None = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self._request_arriving
            and not self.pipeline
            and not self.transport.is_closing()
            and self.transport.get_write_buffer_size() == 0
        )

    def hand_over(self, received: bytes = b"") -> bool:
        """Give this idle connection to the next process; False when that is not possible now."""
        give = self._hand_over.give
        if give is None or not self.is_idle:
            return False
        self.transport.pause_reading()
        source = self.transport.get_extra_info("socket")
        descriptor = os.dup(source.fileno())
        try:
            if not park(give, descriptor, received):
                self.transport.resume_reading()
                return False
        finally:
            os.close(descriptor)
        self.connections.discard(self)
        self.transport.close()
        return True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with what was already received."""
        super().connection_made(transport)
        if self._received:
            received, self._received = self._received, b""
            self.data_received(received)

    def data_received(self, data: bytes) -> None:
        """Answer; a request that begins after the hand-over has begun is for the next process."""
        if self._hand_over.begun and self.is_idle and self.hand_over(data):
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        self._request_arriving = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._request_arriving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is complete."""
        super().on_response_complete()
        if self._hand_over.begun:
            self.loop.call_soon(self.hand_over)
