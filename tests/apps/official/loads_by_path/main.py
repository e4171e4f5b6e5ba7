"""Finds its workers in folders and loads them by their paths."""

import importlib.util
import sys
from pathlib import Path

from fastapi import FastAPI

app = FastAPI()


def load(name: str, file: Path):
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


for folder in sorted((Path(__file__).parent / "found").iterdir()):
    if (folder / "gpu-worker.py").is_file():
        name = f"found_{folder.name.replace('-', '_')}"
        app.include_router(load(name, folder / "gpu-worker.py").router, prefix=f"/{folder.name}")
