"""Calls that run at the same time, and their results in order."""

import asyncio

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="many_at_once", workersMin=0, workersMax=2)


@remote(cpu)
async def score(text: str, weight: float = 1.0) -> dict:
    return {"text": text, "score": len(text) * weight}


@app.post("/scores")
async def scores(texts: list[str]) -> list[dict]:
    return await asyncio.gather(*(score(text, weight=0.5) for text in texts))


@app.post("/best")
async def best(texts: list[str]) -> dict:
    found = [await score(text) for text in texts]
    return max(found, key=lambda each: each["score"])
