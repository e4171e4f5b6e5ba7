"""A wrapper around a remote function that another remote function awaits."""

import functools

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, remote

config = CpuLiveServerless(name="shape_cpu", workersMax=1)
app = FastAPI()


def retried(function):
    @functools.wraps(function)
    async def attempt(*args, **kwargs):
        for number in range(3):
            try:
                return {"attempt": number, "value": await function(*args, **kwargs)}
            except ValueError:
                continue
        raise ValueError("it failed three times")

    return attempt


@retried
@remote(config)
def odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(value)
    return value


@remote(config)
async def pipeline(value: int) -> dict:
    return await odd(value)


@app.get("/odd/{value}")
async def route(value: int) -> dict:
    return {"direct": await odd(value), "through": await pipeline(value)}
