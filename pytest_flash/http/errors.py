"""Why there is no whole response.

::

    TransportError
    ├── ConnectError            the server has seen nothing of the request
    │   └── ConnectTimeoutError
    ├── LocalProtocolError      no request could be made of what was given: nothing was sent
    ├── ReadTimeoutError
    ├── WriteTimeoutError
    ├── LostConnectionError     the connection broke
    ├── RemoteProtocolError     what came is not HTTP, or not complete
    ├── DecodingError           its content cannot be unpacked
    └── OversizedError
"""

from __future__ import annotations


class TransportError(Exception):
    """No whole response came. What it says never holds the request's headers."""


class ConnectError(TransportError):
    """There is no connection: the server has seen nothing."""


class ConnectTimeoutError(ConnectError):
    """There is no connection in time."""


class LocalProtocolError(TransportError):
    """What was to be sent is not HTTP; nothing was sent."""


class ReadTimeoutError(TransportError):
    """Nothing came in time, or the response had no end in time."""


class WriteTimeoutError(TransportError):
    """The server took nothing in time."""


class LostConnectionError(TransportError):
    """The connection was closed or broke."""


class RemoteProtocolError(TransportError):
    """What came is not HTTP, or is not complete."""


class DecodingError(TransportError):
    """The content is packed in a way that was not asked for, or is not what it says."""


class OversizedError(TransportError):
    """A response is longer than any of Runpod's, or would be when unpacked. It is not read."""
