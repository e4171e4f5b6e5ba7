"""The run's embedded Runpod, as an official SDK sees it that is imported before any fixture."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..emulator.startup.announcement import Announcement
from ..files.scratch_folder import scratch_folder
from ..sdks.emulator_host import EmulatorHost
from ..settings import API_KEY, GUEST_KEY, MANAGEMENT_URL, QUEUE_URL
from .xdist import is_worker, local_platform, platform_of

if TYPE_CHECKING:
    import pytest

_RESERVED_BY = "PYTEST_FLASH_RESERVED_BY"
"""The process id of the controlling process, in its own environment and its workers'."""


def host_of(config: pytest.Config) -> EmulatorHost:
    """Where the run's emulator is, or will be once a fixture needs it. Raises FlashError."""
    address = _address(config)
    stack = contextlib.ExitStack()
    state = stack.enter_context(scratch_folder("flash-guests-"))
    config.add_cleanup(stack.close)
    urls = address.management_url, address.queue_url
    return EmulatorHost.of(*urls, address.api_key, state)


def _address(config: pytest.Config) -> Announcement:
    if is_worker(config):
        return platform_of(config).address()
    if _is_worker_to_be():
        found = (os.environ[name] for name in (MANAGEMENT_URL, QUEUE_URL, API_KEY))
        return Announcement(*found)
    os.environ[_RESERVED_BY] = str(os.getpid())
    return local_platform(config).address()


def _is_worker_to_be() -> bool:
    """Whether this is a worker of pytest-xdist that loads its first conftests.

    It cannot ask its controlling process yet, which has loaded the same ones before.
    """
    ours = os.environ.get(_RESERVED_BY) == str(os.getppid())
    same_key = os.environ.get(GUEST_KEY) == os.environ.get(API_KEY)
    return ours and same_key and "PYTEST_XDIST_WORKER" in os.environ
