"""An app that is a script, too: what its functions print is printed."""

import asyncio

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, LiveServerless, remote

gpu = LiveServerless(name="shape_gpu", workersMax=1)
cpu = CpuLiveServerless(name="shape_cpu", workersMax=1)
app = FastAPI()


@remote(gpu)
def on_gpu(name):
    print("hello from the gpu function")
    return f"gpu {name}"


@remote(cpu)
def on_cpu(name):
    return f"cpu {name}"


async def both(name="script"):
    return await asyncio.gather(on_gpu(name), on_cpu(name))


@app.get("/both")
async def route() -> list[str]:
    return await both("route")


if __name__ == "__main__":
    print(asyncio.run(both()))
