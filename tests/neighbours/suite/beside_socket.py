import socket

import pytest
import pytest_socket

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def test_loopback_is_enough(flash_client):
    assert flash_client.get("/double/2").json() == {"value": 4}
    with socket.socket() as other, pytest.raises(pytest_socket.SocketConnectBlockedError):
        other.connect(("192.0.2.1", 80))
