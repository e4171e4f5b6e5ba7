"""Opens the session of a process: the run's Runpod starts while what is heavy is imported."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from .shared_runpod import Order
from .usage_errors import end_run
from .xdist import is_worker, platform_of, processes

if TYPE_CHECKING:
    from pathlib import Path

    from ..target import Target
    from .config import FlashConfig
    from .session import FlashSession
    from .shared_runpod import Platform


@contextlib.contextmanager
def open_session(request: pytest.FixtureRequest, settings: FlashConfig) -> Iterator[FlashSession]:
    """The session of this process, open while the context lasts. Raises FlashError."""
    config = request.config
    if settings.live != bool(config.getoption("flash_live")):
        end_run(
            request.session, "flash_config decides nothing about --flash-live, which spends money"
        )
    location = settings.location()
    folder = location.folder if location else settings.root
    platform = platform_of(config)
    target = _open(platform, Order(settings, folder))
    with contextlib.ExitStack() as stack:
        yield _session(platform, target, settings, folder, config, stack)


def _open(platform: Platform, order: Order) -> Target:
    with ThreadPoolExecutor(2, thread_name_prefix="flash-opening") as pool:
        opening = pool.submit(platform.open, order)
        # Half a second of imports, while another process starts. Not on the main thread: a Ctrl-C
        # in the middle of one can leave Python's import lock taken, for which the other would wait.
        pool.submit(import_module, ".session", __package__).result()
        return opening.result()


def _session(
    platform: Platform,
    target: Target,
    settings: FlashConfig,
    folder: Path,
    config: pytest.Config,
    stack: contextlib.ExitStack,
) -> FlashSession:
    from ..functions.registry import registry
    from ..settings import read_environment
    from ..worker_packages import shipping_to
    from . import real_stderr
    from .pytest_hooks import follow
    from .session import FlashSession
    from .source_texts import texts_of

    environment = read_environment(folder)
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    for name, value in environment.missing().items():
        patch.setenv(name, value)
    session = FlashSession(
        platform,
        target,
        settings,
        shipping_to(target, folder, environment, texts_of(config)),
        processes=processes(config),
        # What workers of pytest-xdist print is read by nobody.
        say=_say if config.getoption("capture") == "no" and not is_worker(config) else None,
        notify=functools.partial(real_stderr.say, config),
    )
    stack.callback(session.close)
    follow(session, config)
    stack.enter_context(registry.bound(session.calls))
    return session


def _say(line: str) -> None:
    """To whoever has asked for ``-s``: pytest captures nothing, and prints nothing later."""
    # A function may print what the encoding of standard output does not have.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
