"""The history of a ``flash run`` while it goes on, for many readers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from ..events import Event
from ..security.api_key import holds, without
from .history import History, Recorded, after


class Journal:
    """Keeps the history and wakes its readers. Safe to use from any thread.

    ``secret`` is blotted out of every text that is recorded.
    """

    def __init__(self, history: History | None = None, *, secret: str | None = None) -> None:
        self._history = history or History()
        self._secret = secret
        self._readers: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def hide(self, secret: str) -> None:
        """Blot ``secret`` out of what is recorded from now on."""
        self._secret = secret

    @property
    def history(self) -> History:
        """Everything so far: immutable."""
        return self._history

    def record(self, recorded: Recorded) -> Recorded:
        """Add one event; returns it as it was kept."""
        event = recorded.event
        if self._secret:
            recorded = replace(recorded, event=_without(self._secret, event))
        with self._lock:
            self._history = after(self._history, recorded)
            readers = tuple(self._readers)
        for wake in readers:
            wake()
        return recorded

    @contextmanager
    def read_by(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` after each change, in the thread that made it, while the context lasts."""
        with self._lock:
            self._readers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._readers.discard(wake)


def _without(secret: str, event: Event) -> Event:
    texts = {each.name: getattr(event, each.name) for each in fields(event)}
    changed: dict[str, Any] = {
        name: without(text, secret)
        for name, text in texts.items()
        if isinstance(text, str) and holds(text, secret)
    }
    return replace(event, **changed) if changed else event
