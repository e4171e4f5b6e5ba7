"""CPU endpoints outside of the data centers that have them, and one written as a GPU endpoint."""

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()
# A CPU endpoint written as a live one, and one in a data center without CPU workers.
east = CpuLiveServerless(name="elsewhere", locations="US-TX-3", gpuCount=1)
written_as_gpu = LiveServerless(name="instances", instanceIds=["cpu3g-2-8"])


@remote(east)
async def upper(text: str) -> str:
    return text.upper()


@remote(written_as_gpu, mode="fast")
async def lower(text: str) -> str:
    return text.lower()


@app.get("/both/{text}")
async def both(text: str) -> list:
    return [await upper(text), await lower(text)]
