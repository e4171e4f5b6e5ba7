"""Fixtures for tests that start real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pytest_flash.runpod import Endpoint
from tests.support.accounts.account import Account, serving_account
from tests.support.runs.flash_run import StartRun, starting


@pytest.fixture
def flash_run(tmp_path: Path) -> Iterator[StartRun]:
    """Start ``flash run``."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that waits for a cold worker, with a connection for each request.

    A kept connection may close just as a request goes out on it, when the app is loaded anew.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    # Certificates take long to load, and nobody here has any.
    with httpx.Client(timeout=60, trust_env=False, limits=limits, verify=False) as client:
        yield client


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A stand-alone ``flash emulator``, for all tests of a module."""
    with serving_account(tmp_path_factory.mktemp("account")) as account:
        yield account


@pytest.fixture
def variables(account: Account) -> dict[str, str]:
    """What points a client at the account, on which there is nothing when a test begins."""
    account.clear()
    return dict(account.variables)


@pytest.fixture
def endpoints(account: Account, variables: dict[str, str]) -> Callable[[], list[Endpoint]]:
    """What exists on the emulator's account."""
    return account.endpoints
