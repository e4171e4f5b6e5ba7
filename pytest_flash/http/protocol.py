"""HTTP/1.1 of one client connection, without its bytes' way: h11 reads and writes the messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

import h11

from .body_limits import BODY_LIMIT, LimitedBody
from .errors import LocalProtocolError, RemoteProtocolError
from .messages import Headers, Request, Response

_HEAD_LIMIT = 1 << 17
# Interim answers (1xx) before one: servers send one or two.
_INFORMED = 100
_SWITCHED = 101


@dataclass(frozen=True)
class Head:
    """How a response begins."""

    status: int
    reason: bytes = field(repr=False)
    headers: Headers = field(repr=False)

    def response(self, request: Request, body: bytes) -> Response:
        """The whole response, with ``body`` unpacked."""
        return Response(request, self.status, self.reason, self.headers, body)


class Mark(Enum):
    """What an event can be beside a head and a part of a body."""

    NEED_DATA = auto()
    END = auto()


class ClientProtocol:
    """Makes bytes of requests, and events of the bytes that come back, one exchange at a time."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._informed = 0
        self._ended = False

    @property
    def is_idle(self) -> bool:
        """Whether a request may be sent: none is under way, and nothing has come unasked."""
        return self._http.our_state is h11.IDLE and not self._http.trailing_data[0]

    @property
    def unread(self) -> bytes:
        """What has come behind the end of the response, as after a switch of protocols."""
        return self._http.trailing_data[0]

    def whole(self, request: Request) -> bytes:
        """A request with its body. Raises LocalProtocolError for what cannot be sent."""
        return self.start(request) + self.data(request.body) + self.end()

    def start(self, request: Request) -> bytes:
        """A request without its body. Raises LocalProtocolError for what cannot be sent."""
        self._informed = 0
        try:
            return self._sent(
                h11.Request(
                    method=request.method, target=request.url.target, headers=list(request.headers)
                )
            )
        except h11.LocalProtocolError as error:
            problem = str(error)
        # Not within the handler: h11's frames hold the headers in their variables.
        raise LocalProtocolError(problem)

    def data(self, part: bytes) -> bytes:
        """A part of the body. Raises LocalProtocolError."""
        return self._sent(h11.Data(data=part)) if part else b""

    def end(self) -> bytes:
        """The end of the body. Raises LocalProtocolError for a body of another length."""
        return self._sent(h11.EndOfMessage())

    def receive(self, data: bytes) -> None:
        """Take in what came; nothing is the end of the connection."""
        self._ended = not data
        try:
            self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise RemoteProtocolError(str(error)) from error

    def next_event(self) -> Head | bytes | Mark:
        """What has been understood next. Raises RemoteProtocolError for what is not HTTP."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise RemoteProtocolError(self._fault(error)) from error
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.Response):
                return _head(event)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self._restart()
                return Mark.END
            if not isinstance(event, h11.InformationalResponse):
                return Mark.NEED_DATA
            if event.status_code == _SWITCHED:
                return _head(event)
            self._informed += 1
            if self._informed > _INFORMED:
                raise RemoteProtocolError("the server goes on announcing an answer")

    def _restart(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def _sent(self, event: h11.Event) -> bytes:
        try:
            return self._http.send(event) or b""
        except h11.LocalProtocolError as error:
            problem = str(error)
        raise LocalProtocolError(problem)

    def _fault(self, error: h11.RemoteProtocolError) -> str:
        if self._ended:
            return "the server closed the connection, its answer incomplete"
        return str(error)


class ResponseReader:
    """Makes the response to ``request`` of what ``protocol`` receives.

    Its body may have ``limit`` bytes.
    """

    def __init__(self, request: Request, protocol: ClientProtocol, limit: int = BODY_LIMIT) -> None:
        self._request = request
        self._protocol = protocol
        self._limit = limit
        self._head: Head | None = None
        self._body = LimitedBody(())

    def read(self) -> Response | None:
        """The response, once it is complete. Raises what ``ClientProtocol`` and LimitedBody do."""
        while True:
            event = self._protocol.next_event()
            if isinstance(event, Head):
                self._head, self._body = event, LimitedBody(event.headers, self._limit)
            elif isinstance(event, bytes):
                self._body.add(event)
            elif event is Mark.NEED_DATA or self._head is None:
                return None
            else:
                return self._head.response(self._request, self._body.whole())


def _head(event: h11.Response | h11.InformationalResponse) -> Head:
    return Head(event.status_code, bytes(event.reason), event.headers.raw_items())
