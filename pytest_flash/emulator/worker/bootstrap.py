"""The first file a worker process executes: ``python -I -S -B bootstrap.py '{"paths": [...]}'``.

``paths`` are the folders of the packages that the worker's image brings, cloudpickle among them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

_RUNTIME = "_flash_worker"


def _load_runtime() -> None:
    folder = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(
        _RUNTIME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the worker's runtime is not in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_RUNTIME] = package
    spec.loader.exec_module(package)


def _present_clean_interpreter() -> None:
    # A spawned child of multiprocessing runs the file of __main__ again: it must not find ours.
    sys.modules["__main__"] = ModuleType("__main__")
    sys.argv[:] = [""]


def _start() -> int:
    configuration = json.loads(sys.argv[1])
    _load_runtime()
    # Before anything slow: from here on the worker cannot outlive the emulator.
    importlib.import_module(f"{_RUNTIME}.lifeline").take_over_stdin()
    _present_clean_interpreter()
    # The rest of the runtime needs cloudpickle, which comes from these folders.
    search = importlib.import_module(f"{_RUNTIME}.process.search_path").SearchPath(
        configuration["paths"]
    )
    status: int = importlib.import_module(f"{_RUNTIME}.main").main(search)
    return status


if __name__ == "__main__":
    sys.exit(_start())
