"""The run's broker: whatever else connects to it, the run's own processes are served."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flash.errors import EmulatorError, FlashError, ProvisioningError
from pytest_flash.testing.broker import Broker, BrokerAddress, BrokeredPlatform
from pytest_flash.testing.config import FlashConfig
from pytest_flash.testing.shared_runpod import LocalPlatform, Order

PATIENCE = 30.0
ORDER = Order(FlashConfig(app=None, root=Path.cwd(), startup_timeout=PATIENCE), Path.cwd())


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker whose platform has ended, so that every request has an answer at once."""
    platform = LocalPlatform()
    platform.close()
    broker = Broker(platform)
    yield broker
    broker.close()


def ask(address: BrokerAddress) -> None:
    """Ask the broker, which answers that the run is ending."""
    platform = BrokeredPlatform(address, on_lost=lambda: None)
    answers: queue.Queue[object] = queue.Queue()

    def wait() -> None:
        try:
            answers.put(platform.open(ORDER))
        except FlashError as error:
            answers.put(error)

    threading.Thread(target=wait, daemon=True).start()
    answer = answers.get(timeout=PATIENCE)
    assert isinstance(answer, ProvisioningError)
    assert "the test run is ending" in str(answer)


def connect(broker: Broker) -> socket.socket:
    return socket.create_connection(("127.0.0.1", broker.address.port), timeout=PATIENCE)


@pytest.mark.parametrize("count", [1, 200])
def test_connections_that_say_nothing_hold_up_nobody(broker: Broker, count: int) -> None:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(broker))
        ask(broker.address)


def test_of_many_connections_that_say_nothing_the_oldest_is_closed(broker: Broker) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(broker)) for _ in range(200)]
        while silent[0].recv(1024):
            pass


@settings(max_examples=30, deadline=None)
@given(said=st.binary(max_size=300))
def test_a_connection_that_says_anything_else_is_closed(broker: Broker, said: bytes) -> None:
    with connect(broker) as stranger:
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        # It was sent a nonce, and perhaps a refusal; it is reset where something was left unread.
        try:
            received = stranger.makefile("rb").read()
        except ConnectionResetError:
            received = b""
    assert received[32:] in (b"", bytes(32))


def test_whoever_has_another_key_is_refused(broker: Broker) -> None:
    address = BrokerAddress(broker.address.port, os.urandom(8).hex())
    platform = BrokeredPlatform(address, on_lost=lambda: None)
    with pytest.raises(EmulatorError, match="controlling process"):
        platform.open(ORDER)


def test_a_broker_that_has_closed_refuses_connections() -> None:
    platform = LocalPlatform()
    broker = Broker(platform)
    with connect(broker):
        broker.close()
        with pytest.raises(EmulatorError, match="does not answer"):
            BrokeredPlatform(broker.address, on_lost=lambda: None).open(ORDER)
