from runpod_flash import CpuLiveServerless, remote

from .. import LIMIT

config = CpuLiveServerless(name="shape_cpu", workersMax=1)


@remote(resource_config=config)
def tidy(text: str) -> str:
    return " ".join(text.split())[:LIMIT]
