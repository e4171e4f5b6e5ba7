"""An app for the official SDK, with its import line changed."""

from fastapi import FastAPI

from pytest_flash import (
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
