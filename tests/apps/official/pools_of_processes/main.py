"""A pool of spawned processes inside a function, as CUDA needs them."""

from fastapi import FastAPI
from pooled_work import pooled
from runpod_flash import LiveServerless, remote

app = FastAPI()


@remote(LiveServerless(name="shape_gpu", workersMax=1))
def squares(values: list[int]) -> list[int]:
    return pooled(values)


@app.post("/squares")
async def route(values: list[int]) -> list[int]:
    return await squares(values)
