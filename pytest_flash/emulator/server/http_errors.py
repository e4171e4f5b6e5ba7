"""Refusals of a request, on whichever plane it came."""

from __future__ import annotations


class HttpError(Exception):
    """A request is refused with ``status``; each plane gives it the shape of its errors."""

    def __init__(self, status: int, detail: str, errors: tuple[str, ...] = ()) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.errors = errors
