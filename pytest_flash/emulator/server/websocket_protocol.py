"""uvicorn's WebSocket protocol, loaded with the first WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

# Runpod docs, load-balancing/overview: 30 MB each way.
MESSAGE_LIMIT = 30_000_000


def websocket_protocol(**arguments: Any) -> asyncio.Protocol:
    """What serves a connection after its upgrade; uvicorn calls it as the protocol's class."""
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import (
            WebSocketsSansIOProtocol as Protocol,
        )
    except ImportError:  # before uvicorn 0.35
        from uvicorn.protocols.websockets.websockets_impl import (  # type: ignore[assignment]
            WebSocketProtocol as Protocol,
        )
    return Protocol(**arguments)
