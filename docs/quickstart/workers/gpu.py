"""Runs on a GPU endpoint; on the embedded Runpod without one."""

import os
import platform
import shutil

from pytest_flash import GpuGroup, LiveServerless, remote

gpu = LiveServerless(
    name="quickstart-gpu",
    gpus=[GpuGroup.AMPERE_24, GpuGroup.ADA_24],
    workersMax=2,
    executionTimeoutMs=60_000,
)


@remote(gpu)
async def analyse(text: str) -> dict[str, object]:
    return {
        "letters": sum(character.isalpha() for character in text),
        "device": "cuda" if shutil.which("nvidia-smi") else "cpu",
        "python": platform.python_version(),
        "worker_pid": os.getpid(),
    }
