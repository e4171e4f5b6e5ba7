"""Sessions, as records name them."""

from __future__ import annotations

from pytest_flash.provisioner.users import User, this_place

OTHER = User(pid=1, started="")
"""One that lives as long as the machine."""

DEAD = User(pid=2**22 + 1, started="never", place=this_place())
"""One that has ended."""
