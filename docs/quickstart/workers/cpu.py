"""Runs on a CPU endpoint."""

import os

from pytest_flash import CpuInstanceType, CpuLiveServerless, remote

cpu = CpuLiveServerless(
    name="quickstart-cpu",
    instanceIds=[CpuInstanceType.CPU3C_2_4],
    workersMax=2,
)


@remote(cpu)
def clean(text: str) -> dict[str, object]:
    words = text.split()
    return {"text": " ".join(words).lower(), "words": len(words), "worker_pid": os.getpid()}
