"""Messages between our own processes: as they were sent, and without waiting for a reader."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from pytest_flash.process.messages import IncomingMessages, OutgoingMessages

EVENT = b"e" * 100_000
"""Less than what may wait; 200 of them are more."""


@contextlib.contextmanager
def ends() -> Iterator[tuple[int, int]]:
    """The descriptors of the two ends of a socket pair."""
    one, other = socket.socketpair()
    with one, other:
        yield one.fileno(), other.fileno()


def read(incoming: IncomingMessages, count: int) -> list[object]:
    messages: list[object] = []
    while len(messages) < count:
        messages += incoming.read()
    return messages


def test_both_sides_may_be_a_connection() -> None:
    sent = [{"a": [1, None]}, "", "x" * 50_000, ["é"]]
    with ends() as (here, there):
        outgoing, incoming = OutgoingMessages(here), IncomingMessages(here)
        with Connection(os.dup(there)) as other:
            for each in sent:
                outgoing.send(each)
            assert [other.recv() for _ in sent] == sent
            for each in sent:
                other.send(each)
            assert read(incoming, len(sent)) == sent
        with socket.socket(fileno=os.dup(there)) as other_end:
            other_end.shutdown(socket.SHUT_RDWR)
        with pytest.raises(EOFError):
            incoming.read()
        outgoing.close()


def test_a_message_that_comes_in_pieces_is_one() -> None:
    with ends() as (here, there), ends() as (pieces, read_pieces):
        outgoing, incoming = OutgoingMessages(here), IncomingMessages(read_pieces)
        outgoing.send(["one", "message"])
        outgoing.send(2)
        messages = []
        for byte in os.read(there, 1000):
            os.write(pieces, bytes([byte]))
            messages += incoming.read()
        assert messages == [["one", "message"], 2]
        outgoing.close()


def test_nobody_who_reads_holds_nobody_up() -> None:
    with ends() as (here, there):
        outgoing, incoming = OutgoingMessages(here), IncomingMessages(there)
        for number in range(200):
            outgoing.send((number, EVENT), droppable=True)
        outgoing.send("must")
        numbers = []
        while True:
            for each in incoming.read():
                if each == "must":
                    break
                number, event = each
                assert event == EVENT
                numbers.append(number)
            else:
                continue
            break
        # The first ones, whole and in order; those that there was no room for are missing.
        assert numbers == [*range(len(numbers))]
        assert 50 < len(numbers) < 200
        outgoing.flush(10, 10)
        outgoing.send("again", droppable=True)
        assert incoming.read() == ["again"]
        outgoing.close()


def test_a_side_that_has_gone_is_an_error() -> None:
    one, other = socket.socketpair()
    with one:
        outgoing = OutgoingMessages(one.fileno())
        for _ in range(20):
            outgoing.send(EVENT)
        other.close()
        outgoing.flush(10, 10)  # Gives up at once.
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            outgoing.send("more")
        outgoing.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            outgoing.send("more")


def test_nothing_is_written_after_the_close() -> None:
    """The descriptor's number may be somebody else's by then."""
    with ends() as (here, there):
        outgoing = OutgoingMessages(here)
        for _ in range(20):
            outgoing.send(EVENT)
        outgoing.close()
        received = 0
        with socket.socket(fileno=os.dup(there)) as reader:
            reader.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while True:
                    received += len(reader.recv(1 << 20))
        assert received < 20 * len(EVENT)
