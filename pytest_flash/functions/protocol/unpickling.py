"""Reading the pickled results of workers, which name classes of the project."""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

from ..shipping.project_modules import MAIN, main_name


class Unpacker(pickle.Unpickler):
    """Reads what a worker pickled."""

    def find_class(self, module: str, name: str) -> Any:
        """As pickle asks; classes of the script are those of ``__main__``."""
        if module == main_name() and module not in sys.modules:
            module = MAIN
        found = super().find_class(module, name)
        behind = getattr(found, "__flash_behind__", None)
        # A remote class stands where the class itself would.
        return behind if isinstance(behind, type) else found


def unpack(data: bytes) -> Any:
    """The value that a worker pickled. Raises whatever unpickling raises."""
    return Unpacker(io.BytesIO(data)).load()
