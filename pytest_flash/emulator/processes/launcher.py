"""Starting a worker: its folder, its environment, its program."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .ports import Ports
from .worker_process import WorkerProcess, spawn

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from ..account.volumes import EmulatedVolumes
    from .image_programs import Program, ProgramSource
    from .worker_credentials import WorkerCredentials

_VOLUME_MOUNT = Path(__file__).parent.parent / "worker" / "volume_mount.py"
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class WorkerAddress:
    """Where workers reach the emulator, and how many seconds apart they are to ping it."""

    origin: str
    ping_interval: float


def with_volume(volume: Path, command: Sequence[str]) -> tuple[str, ...]:
    """``command`` with ``volume`` at its place in the cloud, where this process may mount it."""
    return (sys.executable, "-I", "-S", "-B", str(_VOLUME_MOUNT), str(volume), *command)


class Launcher:
    """Starts the workers of every endpoint. Its methods block, and are called in threads."""

    def __init__(
        self,
        programs: ProgramSource,
        address: WorkerAddress,
        credentials: WorkerCredentials,
        folder: Path,
        volumes: EmulatedVolumes,
    ) -> None:
        self._programs = programs
        self._address = address
        self._credentials = credentials
        self._folder = folder
        self._volumes = volumes
        self.ports = Ports()

    def launch(self, record: EndpointRecord, worker_id: str) -> WorkerProcess:
        """Start one worker. Raises OSError, or what the program source raises."""
        program = self._programs.program(record)
        home = self._home(worker_id)
        home.mkdir(mode=0o700, parents=True)
        volume = self._volumes.folder_of(record.volumes[0]) if record.volumes else None
        environment = self._environment(record, worker_id, program, volume)
        argv = program.argv if volume is None else with_volume(volume, program.argv)
        try:
            return spawn(argv, environment, program.folder or home)
        except BaseException:
            self.revoke(worker_id)
            raise

    def revoke(self, worker_id: str) -> None:
        """Let a worker in no more: it has ended, or did not start. Does not block."""
        self._credentials.revoke(worker_id)

    def clean(self, worker_id: str) -> None:
        """Remove what a worker left in its folder."""
        _remove(self._home(worker_id))
        self.stack_file(worker_id).unlink(missing_ok=True)
        self.ports.release(worker_id)

    def stack_file(self, worker_id: str) -> Path:
        """Where a worker of our runtime writes the stacks of its threads, when signalled."""
        return self._folder / f"{worker_id}.stacks"

    def _home(self, worker_id: str) -> Path:
        return self._folder / worker_id

    def _environment(
        self, record: EndpointRecord, worker_id: str, program: Program, volume: Path | None
    ) -> dict[str, str]:
        """A worker's whole environment: nothing of the user's own (runpod worker SDK 1.12.0)."""
        base = f"{self._address.origin}/worker/v2/{record.id}"
        platform = {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=emulated",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=emulated",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=emulated",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
            "RUNPOD_PING_INTERVAL": str(round(self._address.ping_interval * 1000)),
            "RUNPOD_AI_API_KEY": self._credentials.issue(
                record.id, worker_id, of_our_runtime=program.asks_for_dependencies
            ),
            "RUNPOD_POD_ID": worker_id,
            "RUNPOD_POD_HOSTNAME": worker_id,
            "RUNPOD_ENDPOINT_ID": record.id,
        }
        if program.asks_for_dependencies:
            platform["FLASH_DEPENDENCIES_URL"] = f"{base}/dependencies/{worker_id}"
            platform["FLASH_EXCHANGE_URL"] = f"{base}/job-exchange/{worker_id}/$ID"
            platform["FLASH_STACK_FILE"] = str(self.stack_file(worker_id))
        if record.type == "LOAD_BALANCER":
            platform |= self.ports.reserve(worker_id, record.container.env).environment()
            if program.asks_for_dependencies:
                platform["FLASH_LOAD_BALANCED"] = "true"
        # Also where it cannot be mounted at /runpod-volume, as in the cloud.
        if volume is not None:
            platform["RUNPOD_VOLUME_PATH"] = str(volume)
        home = str(self._home(worker_id))
        system = {"PATH": _PATH, "HOME": home, "LANG": "C.UTF-8"}
        return {**system, **program.env, **record.container.env, **platform}


def _remove(folder: Path) -> None:
    """Remove a folder with all in it, also folders that a job's umask has closed."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, _, _ in os.walk(folder):
            for each in Path(place).iterdir():
                if each.is_dir() and not each.is_symlink():
                    each.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
