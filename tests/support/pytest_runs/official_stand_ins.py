"""Packages that stand in for the official SDKs where only what they read and mark matters.

``tests/conformance`` has the real ones.
"""

from __future__ import annotations

from pathlib import Path

_FLASH = """
import functools, os, urllib.request

BASE = os.environ.get("RUNPOD_API_BASE_URL", "https://api.runpod.io")
SEEN = {name: os.environ.get(name) for name in (
    "RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL", "RUNPOD_REST_API_URL", "RUNPOD_HAPI_URL",
    "RUNPOD_CONSOLE_URL", "RUNPOD_API_KEY")}

class LiveServerless:
    def __init__(self, name):
        self.name = name

def remote(resource, local=False):
    config = {"resource_config": resource}
    def decorate(function):
        if local:
            function.__remote_config__ = config
            return function
        if isinstance(function, type):
            made_of = function
            class RemoteClassWrapper:
                def __init__(self, *args):
                    self.made_of = made_of
            RemoteClassWrapper.__remote_config__ = config
            return RemoteClassWrapper
        @functools.wraps(function)
        async def wrapper(*args):
            key = os.environ.get("RUNPOD_API_KEY")
            headers = {"Authorization": f"Bearer {key}"}
            request = urllib.request.Request(f"{BASE}/graphql", b"{}", headers)
            return urllib.request.urlopen(request, timeout=5).read()
        wrapper.__remote_config__ = config
        return wrapper
    return decorate
"""

_CLIENT = """
import os

api_key = os.environ.get("RUNPOD_API_KEY", "from-config-toml")
endpoint_url_base = os.environ.get("RUNPOD_ENDPOINT_BASE_URL", "https://api.runpod.ai/v2")
"""

_APPS = """
_APPS = []

def get_registered_apps():
    return list(_APPS)

class _Handle:
    def __init__(self, function):
        self.__wrapped__ = function

class App:
    def __init__(self, name):
        self.name, self.resources = name, {}
        _APPS.append(self)
    def queue(self, name):
        def decorate(function):
            self.resources[name] = _Handle(function)
            return self.resources[name]
        return decorate
"""


def write_standins(folder: Path) -> None:
    """``runpod_flash``, ``tetra_rp`` and ``runpod`` with ``runpod.apps``, importable there."""
    for name, text in {
        "runpod_flash/__init__.py": _FLASH,
        "tetra_rp/__init__.py": _FLASH,
        "runpod/__init__.py": _CLIENT,
        "runpod/apps/__init__.py": "from .app import App\n",
        "runpod/apps/app.py": _APPS,
        "runpod/apps/data.txt": "data",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


APP = """
from fastapi import FastAPI
from runpod_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless("gpu"))
async def greet(name):
    return name

@app.get("/")
async def root():
    return await greet("x")
"""
"""An app whose one function is an official SDK's."""
