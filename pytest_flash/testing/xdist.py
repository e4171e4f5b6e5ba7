"""pytest-xdist: one platform in the controlling process for all workers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import SettingsError
from .pytest_hooks import RunHooks
from .shared_runpod import LocalPlatform

if TYPE_CHECKING:
    from .shared_runpod import Platform

_KEY = "flash_broker"
_BROKER = pytest.StashKey[Any]()
_PLATFORM = pytest.StashKey["Platform"]()
_LOCAL = pytest.StashKey[LocalPlatform]()


def introduce(node: Any) -> None:
    """In the controlling process: tell a new worker where the broker is. Starts nothing else."""
    config: pytest.Config = node.config
    broker = config.stash.get(_BROKER, None)
    if broker is None:
        from .broker import Broker

        platform = local_platform(config)
        broker = config.stash[_BROKER] = Broker(platform)
        hooks = RunHooks(platform, before=broker.close)
        config.pluginmanager.register(hooks, "flash-run")
    # A worker on another machine cannot reach our loopback.
    if node.gateway.spec.popen:
        node.workerinput[_KEY] = broker.address.plain()


def platform_of(config: pytest.Config) -> Platform:
    """The platform that this process is to use: its own, or its controller's.

    Raises SettingsError on a worker that runs on another machine.
    """
    platform = config.stash.get(_PLATFORM, None)
    if platform is None:
        platform = config.stash[_PLATFORM] = _platform(config)
    return platform


def local_platform(config: pytest.Config) -> LocalPlatform:
    """The platform that this process has for its run, be it of use or not."""
    local = config.stash.get(_LOCAL, None)
    if local is None:
        local = config.stash[_LOCAL] = LocalPlatform()
        config.add_cleanup(local.let_go)
    return local


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for a controlling one."""
    return hasattr(config, "workerinput")


def processes(config: pytest.Config) -> int:
    """How many processes run this run's tests."""
    return int(config.workerinput["workercount"]) if is_worker(config) else 1  # type: ignore[attr-defined]


def _platform(config: pytest.Config) -> Platform:
    if not is_worker(config):
        local = local_platform(config)
        config.pluginmanager.register(RunHooks(local), "flash-run")
        return local
    from .broker import BrokerAddress, BrokeredPlatform

    address = config.workerinput.get(_KEY)  # type: ignore[attr-defined]
    if address is None:
        raise SettingsError(
            "the run's Runpod serves on its own machine only, and this worker of pytest-xdist "
            "runs on another; use -n, or --tx popen"
        )
    brokered = BrokeredPlatform(BrokerAddress(**address), on_lost=_interrupt)
    config.add_cleanup(brokered.close)
    return brokered


def _interrupt() -> None:
    """End this worker as Ctrl-C would: its controlling process is gone, and the run's Runpod too.

    execnet does the same, 5 s later, and kills the worker after 10 more.
    """
    os.kill(os.getpid(), signal.SIGINT)
