"""Leading ``runpod_flash`` to an embedded Runpod: by what it reads, set before it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from ..emulator.startup.announcement import Announcement
from ..settings import API_KEY, GUEST_KEY, QUEUE_URL
from .keep_off_cloud import OLD_CONSOLE, bypass_proxies

CREDENTIALS = "runpod.cli.groups.config.functions"
RESOURCES = "runpod_flash.core.resources.resource_manager"


@dataclass(frozen=True)
class EmulatorHost:
    """The embedded Runpod of a session, as an SDK is to see it.

    ``variables`` are those that it reads. ``state`` is a folder that lasts as long as the emulator:
    the SDK keeps the ids of its endpoints there, not in the project, where those of Runpod may be.
    """

    variables: Mapping[str, str] = field(repr=False)
    state: Path

    @classmethod
    def of(cls, management_url: str, queue_url: str, key: str, state: Path) -> EmulatorHost:
        """The host behind these base URLs."""
        variables = dict(Announcement(management_url, queue_url, key).environment())
        variables[GUEST_KEY] = key
        variables[OLD_CONSOLE] = variables["RUNPOD_CONSOLE_URL"]
        return cls(variables, state)

    def lead(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Let whatever of the SDK is imported from now on go to this emulator."""
        environment.update(self.variables)
        bypass_proxies(environment)
        self.lead_modules()

    def lead_modules(self) -> None:
        """Have modules that are loaded forget what they read as they were imported.

        The names are those of runpod 1.12.0 and of runpod-flash 1.1.1 and 1.21.0.
        """
        if (client := sys.modules.get("runpod")) is not None:
            found = self.variables[API_KEY], self.variables[QUEUE_URL]
            vars(client).update(zip(("api_key", "endpoint_url_base"), found, strict=True))
        if (credentials := sys.modules.get(CREDENTIALS)) is not None:
            # A key in ~/.runpod/config.toml would win over the variable in requests of the client.
            vars(credentials)["CREDENTIAL_FILE"] = str(self.state / "config.toml")
        if (resources := sys.modules.get(RESOURCES)) is not None:
            for name, path in self._state_files().items():
                if name in vars(resources):
                    vars(resources)[name] = path

    def _state_files(self) -> Mapping[str, Path]:
        folders = ("FLASH_STATE_DIR", "RUNPOD_FLASH_DIR")
        return {
            **dict.fromkeys(folders, self.state),
            "RESOURCE_STATE_FILE": self.state / "resources.pkl",
            "_LEGACY_STATE_FILE": self.state / "none.pkl",
        }
