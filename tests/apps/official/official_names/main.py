"""Names of the SDK that an app imports for types and checks."""

from fastapi import FastAPI
from runpod_flash import (
    CpuLoadBalancerSlsResource,
    CpuServerlessEndpoint,
    FlashApp,
    GpuGroup,
    LiveServerless,
    LoadBalancerSlsResource,
    ResourceManager,
    ServerlessEndpoint,
    ServerlessType,
    remote,
)

DEPLOYED = (ServerlessEndpoint, CpuServerlessEndpoint, FlashApp, ResourceManager)
BALANCED = (LoadBalancerSlsResource, CpuLoadBalancerSlsResource)

app = FastAPI()
gpu = LiveServerless(name="names", gpus=GpuGroup.all(), type=ServerlessType.QB)


@remote(gpu)
async def count(items: list) -> int:
    return len(items)


@app.get("/names")
async def names() -> dict:
    deployed = isinstance(gpu, DEPLOYED + BALANCED)
    return {"count": await count([each.__name__ for each in DEPLOYED]), "deployed": deployed}
