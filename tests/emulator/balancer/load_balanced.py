"""Load-balancing endpoints of test workers."""

from __future__ import annotations

from typing import Any

import httpx

from tests.emulator.harness import KEY, Emulator

BODY: dict[str, Any] = {
    "type": "LOAD_BALANCER",
    "image": "test/http",
    "scaling": {"type": "REQUEST_COUNT", "requestCount": 4},
}


class Endpoint:
    """A load-balancing endpoint and a client of it."""

    def __init__(self, emulator: Emulator, **changes: Any) -> None:
        self.emulator = emulator
        self.id = emulator.create(**{**BODY, **changes})
        document = emulator.management.get(f"/v2/serverless/{self.id}").json()
        self.urls: dict[str, str] = document["requestUrls"]
        self.client = httpx.Client(
            base_url=self.urls["base"],
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
            trust_env=False,
            verify=False,
        )

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def pid(self) -> int:
        answer = self.get("/echo")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["pid"])

    def patch(self, **changes: Any) -> None:
        answer = self.emulator.management.patch(f"/v2/serverless/{self.id}", json=changes)
        assert answer.status_code == 200, answer.text

    def statuses(self) -> list[str]:
        return self.emulator.statuses(self.id)


class MakeEndpoint:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.made: list[Endpoint] = []

    def __call__(self, emulator: Emulator | None = None, **changes: Any) -> Endpoint:
        self.made.append(Endpoint(emulator or self._emulator, **changes))
        return self.made[-1]


def error(answer: httpx.Response) -> str:
    document = answer.json()
    assert list(document) == ["error"]
    return str(document["error"])
