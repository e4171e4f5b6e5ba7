"""What an emulator says once it can be reached."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...settings import API_KEY, MANAGEMENT_URL, QUEUE_URL

KEY_VARIABLE = "FLASH_EMULATOR_KEY"
"""Tells an emulator the key to use; an argument could be read by every user of the machine."""

_MANAGEMENT_PATH = "/api"


@dataclass(frozen=True)
class Announcement:
    """Base URLs and key. They read as Runpod's own: ``{management_url}/v2/serverless``,
    ``{queue_url}/{endpoint}/run``."""

    management_url: str
    queue_url: str
    api_key: str = field(repr=False)

    @classmethod
    def of(cls, origin: str, api_key: str) -> Announcement:
        """The announcement of the emulator at ``origin`` (``http://127.0.0.1:4000``)."""
        return cls(origin + _MANAGEMENT_PATH, f"{origin}/queue/v2", api_key)

    @classmethod
    def from_json(cls, line: str) -> Announcement:
        """Read ``to_json``'s line. Raises ValueError for any other text."""
        try:
            values = json.loads(line)
            return cls(values[MANAGEMENT_URL], values[QUEUE_URL], values[API_KEY])
        except (TypeError, KeyError) as error:
            raise ValueError(f"no announcement: {line!r}") from error

    def environment(self) -> Mapping[str, str]:
        """The variables that lead a Runpod client here, the official SDKs among them.

        Those go to Runpod with whatever base URL is not set. runpod-flash 1.1.1 to 1.21 makes
        endpoints of its own from scripts, too, where it is said to provision live.
        """
        origin = self.management_url.removesuffix(_MANAGEMENT_PATH)
        return {
            MANAGEMENT_URL: self.management_url,
            QUEUE_URL: self.queue_url,
            API_KEY: self.api_key,
            "RUNPOD_REST_API_URL": f"{origin}/rest/v1",
            "RUNPOD_HAPI_URL": f"{origin}/hapi",
            "RUNPOD_CONSOLE_URL": origin,
            "RUNPOD_URL_MIXED_OK": "1",
            "FLASH_IS_LIVE_PROVISIONING": "true",
        }

    def to_json(self) -> str:
        """The variables as one JSON object on one line."""
        return json.dumps(self.environment())

    def to_shell(self) -> str:
        """The variables as lines for a shell."""
        pairs = self.environment().items()
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in pairs)
