"""An account to be billed, for tests of provisioning: a stand-alone ``flash emulator``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pytest_flash.runpod import Endpoint, ManagementClient
from pytest_flash.settings import API_KEY, MANAGEMENT_URL, QUEUE_URL
from pytest_flash.target import Target, embedded
from tests.support.environment import clean_environment


@dataclass(frozen=True)
class Account:
    """What the emulator printed: the variables that point a client at it."""

    variables: dict[str, str]

    @property
    def target(self) -> Target:
        """The account as a target."""
        urls = self.variables[MANAGEMENT_URL], self.variables[QUEUE_URL]
        return embedded(*urls, self.variables[API_KEY], "a test asked")

    def endpoints(self) -> list[Endpoint]:
        """What exists."""
        with ManagementClient(self.target) as client:
            return client.endpoints()

    def completed(self, endpoint_id: str) -> int:
        """How many jobs an endpoint has completed."""
        url = f"{self.variables[QUEUE_URL]}/{endpoint_id}/health"
        answer = httpx.get(url, headers=self._headers(), trust_env=False, timeout=60)
        return int(answer.raise_for_status().json()["jobs"]["completed"])

    def clear(self) -> None:
        """Delete every endpoint and every network volume."""
        with ManagementClient(self.target) as client:
            for endpoint in client.endpoints():
                client.delete(endpoint.id)
            volumes = client.network_volumes()
        headers = self._headers()
        for volume in volumes:  # The product never deletes one.
            url = f"{self.variables[MANAGEMENT_URL]}/v2/network-volumes/{volume.id}"
            httpx.delete(url, headers=headers, trust_env=False, timeout=60).raise_for_status()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.variables[API_KEY]}"}


@contextmanager
def serving_account(folder: Path) -> Iterator[Account]:
    """Serve an account from ``folder`` while the context lasts."""
    emulator = subprocess.Popen(
        [sys.executable, "-m", "flash_cli", "emulator", "--json"],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with emulator:
        try:
            assert emulator.stdout is not None
            yield Account(json.loads(emulator.stdout.readline()))
            emulator.terminate()
            assert emulator.wait(60) == 0
        finally:
            emulator.kill()
