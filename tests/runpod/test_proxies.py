"""Requests leave as the target's environment said, whatever the process environment says now."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flash.errors import RunpodConnectionError, RunpodError, SettingsError
from pytest_flash.network.proxies import Network
from pytest_flash.provisioner.state.store import State
from pytest_flash.runpod import (
    Endpoint,
    LoadBalancerClient,
    LogClient,
    ManagementClient,
    QueueClient,
)
from pytest_flash.runpod.retry import RetryPolicy
from pytest_flash.target import Target
from tests.runpod.peers import CERTIFICATE, OK, Peer, serving
from tests.runpod.scripted import ScriptedServer, refuses, says, scripted
from tests.support.environment import ROOT, clean_environment
from tests.support.system.processes import wait_until

NAMES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def stranger() -> Iterator[ScriptedServer]:
    """A proxy that gets in by ``.env``."""
    with scripted() as made:
        yield made


@pytest.fixture
def target(
    server: ScriptedServer, stranger: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> Target:
    """A host that does not exist, behind ``server`` as a proxy; the environment names another."""
    for name in NAMES:
        monkeypatch.setenv(name, stranger.url)
    network = Network.of({"HTTP_PROXY": server.url})
    url = "http://runpod.invalid"
    return replace(server.live, network=network, management_url=url, queue_url=url)


def manage(target: Target) -> None:
    with ManagementClient(target, retry=ONCE) as client:
        client.endpoints()


def submit(target: Target) -> None:
    asyncio.run(QueueClient(target).status("ep", "job"))


def balance(target: Target) -> None:
    endpoint = Endpoint(id="ep", name="x", timeout=1, requestUrls={"base": target.queue_url})
    asyncio.run(LoadBalancerClient(target).execute(endpoint, b"{}"))


def read_logs(target: Target) -> None:
    asyncio.run(LogClient(target).running("ep"))


@pytest.mark.parametrize("send", [manage, submit, balance, read_logs])
def test_every_client_takes_the_targets_proxy(
    server: ScriptedServer, stranger: ScriptedServer, target: Target, send: Callable[[Target], None]
) -> None:
    server.always = says(b"no", 500)
    with pytest.raises(RunpodError):
        send(target)
    assert server.requests
    assert not stranger.requests


@pytest.mark.parametrize("send", [manage, submit, balance, read_logs])
def test_no_client_takes_a_proxy_that_came_later(
    server: ScriptedServer, stranger: ScriptedServer, target: Target, send: Callable[[Target], None]
) -> None:
    # Nothing serves there, and it is not asked for a proxy's sake.
    direct = replace(target, management_url=server.url, queue_url=server.url, network=Network())
    server.always = says(b"no", 500)
    with pytest.raises(RunpodError):
        send(direct)
    assert server.requests
    assert not stranger.requests


# A test session that has created an endpoint, and is interrupted in a hurry.
SESSION = """
import sys
from pathlib import Path
from pytest_flash.network.proxies import Network
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.plan import Wanted
from pytest_flash.provisioner.reaper import reaping
from pytest_flash.provisioner.state.records import Account, Scope
from pytest_flash.provisioner.request_and_drift import endpoint_request
from pytest_flash.provisioner.state.store import State
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.resources import LiveServerless
from pytest_flash.runpod import Endpoint
from pytest_flash.target import Target, TargetKind

url, network = "http://runpod.invalid", Network.of({"HTTP_PROXY": sys.argv[1]})
target = Target(TargetKind.LIVE, url, url, "the-secret-key", "a test asked", network=network)
state = State(Path(".runpod"), on_notice=print)
scope = Scope(Account.of(target), "shop", "default")
records = SessionRecords(state, scope, User.current(), "test")
resource = LiveServerless(name="gpu")
request = endpoint_request(resource, name="live-gpu", image="i", owner="shop/default")
endpoint = Endpoint(id="ep", name="live-gpu", timeout=1)
records.settle(Wanted(resource, request, "main.py"), endpoint)
with reaping(target, records):
    raise KeyboardInterrupt
"""


def test_what_cleans_up_after_a_killed_run_takes_the_runs_proxy(
    server: ScriptedServer, stranger: ScriptedServer, tmp_path: Path
) -> None:
    server.plays(says({"endpoints": []}))
    server.always = refuses(404)
    environment = clean_environment(HTTP_PROXY=stranger.url, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", SESSION, server.url]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, timeout=60, stderr=subprocess.PIPE, text=True
    )
    assert ended.returncode == -signal.SIGINT, ended.stderr
    state = State(tmp_path / ".runpod", on_notice=pytest.fail)
    wait_until(lambda: not state.read().scopes(), 60, "the end of the record")
    assert server.methods() == ["GET", "GET"]
    assert not stranger.requests


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("foo://me:hunter2@proxy", "is not a URL such as"),
        ("http://", "is not a URL such as"),
        ("http://me:hunter2@proxy:port", "is not a URL such as"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    target: Target, proxy: str, reason: str
) -> None:
    spoilt = replace(target, network=Network.of({"ALL_PROXY": proxy}))
    for send in (manage, submit, read_logs):
        with pytest.raises(SettingsError, match=reason) as caught:
            send(spoilt)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_read_are_named(target: Target, name: str) -> None:
    network = Network.of({name: "/nowhere/ca.pem"})
    secure = replace(target, management_url="https://runpod.invalid", network=network)
    if name == "SSL_CERT_FILE":
        with pytest.raises(SettingsError, match=r"SSL_CERT_FILE=/nowhere/ca\.pem cannot be used"):
            ManagementClient(secure)
    else:
        ManagementClient(secure).close()  # A folder that is not there holds no certificates.


def test_certificates_are_those_of_the_target(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.answer(OK)

    async def asked(network: Network) -> str:
        async with serving(answer, context) as secure:
            client = QueueClient(replace(server.live, queue_url=secure.url, network=network))
            with pytest.raises(RunpodConnectionError) as caught:
                await client.health("ep")
            return str(caught.value)

    assert "certificate" in asyncio.run(asked(Network()))
    named = Network.of({"SSL_CERT_FILE": str(CERTIFICATE)})
    assert "not a JSON object" in asyncio.run(asked(named))
    secrets = tmp_path / "secrets"
    written = secrets.read_text().splitlines() if secrets.exists() else []
    assert not [line for line in written if not line.startswith("#")]
