"""The ids of endpoints and workers."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_lowercase + string.digits


def new_id() -> str:
    """An id as Runpod makes them: lower-case letters and digits, 14 of them."""
    return "".join(secrets.choice(_LETTERS) for _ in range(14))
