"""Bytes that travel both ways, and are served as they are."""

import hashlib

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="binary_results", workersMax=1)


@remote(cpu)
def draw(width: int, height: int, palette: bytes) -> bytes:
    return bytes(palette[(x ^ y) % len(palette)] for y in range(height) for x in range(width))


@app.get("/image/{size}")
async def image(size: int) -> dict:
    pixels = await draw(size, size, palette=b"\x00\x7f\xff")
    return {"bytes": len(pixels), "sum": hashlib.sha256(pixels).hexdigest()[:8]}
