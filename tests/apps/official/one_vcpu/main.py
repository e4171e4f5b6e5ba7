"""The smallest CPU instance, as the SDK's examples have it."""

from fastapi import FastAPI
from runpod_flash import CpuInstanceType, CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(
    name="one_vcpu_worker", instanceIds=[CpuInstanceType.CPU3C_1_2], workersMin=0, workersMax=2
)


@remote(resource_config=cpu)
async def greet(data: dict) -> dict:
    return {"message": f"Hello, {data['name']}!"}


@app.post("/hello")
async def hello(data: dict) -> dict:
    return await greet(data)
