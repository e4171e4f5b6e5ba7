"""An emulator's address and key, known before it starts. Standard library only."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field

from ..startup.announcement import Announcement


@dataclass(frozen=True)
class ReservedAddress:
    """A port of 127.0.0.1 that nobody else gets, and which refuses until an emulator has it."""

    announcement: Announcement
    listener: socket.socket = field(repr=False)

    @classmethod
    def reserve(cls) -> ReservedAddress:
        """Any free port, and a random key. Raises OSError where there is none."""
        # Not SO_REUSEADDR: another one could have the same port. It has no connections of before.
        # asyncio switches Nagle's delays off only where the protocol is named.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.bind(("127.0.0.1", 0))
        except OSError:
            listener.close()
            raise
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return cls(Announcement.of(origin, secrets.token_urlsafe(32)), listener)

    def close(self) -> None:
        """Let go of it here: the emulator has it, or none will be. May be called again."""
        self.listener.close()
