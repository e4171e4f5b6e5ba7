"""An app whose handlers call remote functions, and a service outside."""

import httpx
import requests
from fastapi import FastAPI

from pytest_flash import CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="cpu")


@remote(cpu)
def double(x: int) -> int:
    print(f"doubling {x}")
    return 2 * x


@remote(cpu)
def linger(seconds: float) -> float:
    import time

    time.sleep(seconds)
    return seconds


@app.get("/double/{x}")
async def get_double(x: int) -> dict[str, int]:
    return {"value": await double(x)}


@app.get("/linger/{seconds}")
async def get_linger(seconds: float) -> float:
    return await linger(seconds)


@app.get("/outside")
async def get_outside() -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get("http://outside.example/")).text


@app.get("/outside/requests")
def get_outside_by_requests() -> str:
    return requests.get("http://outside.example/", timeout=10).text
