"""GPUs by the name of a device, or any."""

from fastapi import FastAPI
from runpod_flash import LiveServerless, remote

app = FastAPI()
pools = LiveServerless(name="gpu_ids", gpuIds="any", imageName="someone/image:1", workersMax=1)
device = LiveServerless(name="gpu_device", gpuIds="NVIDIA GeForce RTX 4090", workersMax=1)


@remote(pools)
def add(a: int, b: int) -> int:
    return a + b


@remote(device)
def multiply(a: int, b: int) -> int:
    return a * b


@app.get("/compute/{a}/{b}")
async def compute(a: int, b: int) -> dict:
    return {"sum": await add(a, b), "product": await multiply(a, b)}
