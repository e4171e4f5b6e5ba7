"""Answers that leave in one piece.

uvicorn writes an answer's head and its body one after the other. Each write wakes the receiver,
who can do nothing with a head alone, so that short answers cost it, and us, twice the system
calls. Here they are written together, when the event loop comes round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from .header_limit import BoundedHeadProtocol


class OneWriteProtocol(BoundedHeadProtocol):
    """uvicorn's protocol on a transport that gathers what is written."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a connection."""
        super().connection_made(_Gathering(cast(asyncio.Transport, transport)))

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, as it is, to the protocol of WebSockets."""
        self.transport = cast(_Gathering, self.transport).plain()
        super().handle_websocket_upgrade()


class _Gathering(asyncio.Transport):
    """A transport that writes what one turn of the event loop brings at its end."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Any] = []

    def plain(self) -> asyncio.Transport:
        """The transport beneath, with nothing left to be written."""
        self._flush()
        return self._transport

    def write(self, data: Any) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered and not self._transport.is_closing():
            self._transport.writelines(gathered)
