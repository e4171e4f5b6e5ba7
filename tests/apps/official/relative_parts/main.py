"""A part of its package: everything is imported relatively."""

from fastapi import FastAPI

from . import SCALE
from .parts.scaling import scaled

app = FastAPI()


@app.get("/scaled/{value}")
async def route(value: int) -> dict:
    return {"here": value * SCALE, "there": await scaled(value)}
