"""Requests whose head has no end.

httptools, uvicorn's parser, keeps a request's line and headers until they are complete, however
long they get, and joins what it has with each piece that arrives: a head of 60 MB takes seconds
in which nobody else is served.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 1_000_000
"""Bytes; what precedes the head in the piece that it begins in counts, too."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection that sends more than ``HEAD_LIMIT`` of head."""

    _head = 0  # bytes so far of a head that is not complete

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request."""
        super().data_received(data)
        if "method" in (self.scope or ()):  # which uvicorn knows once the head is complete
            self._head = 0
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("The head of the request is larger than 1 MB.")
