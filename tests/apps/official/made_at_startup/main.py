"""A lifespan that warms a model up, and state that requests share."""

from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from runpod_flash import LiveServerless, remote

gpu = LiveServerless(name="made_at_startup", workersMax=1)


@remote(gpu)
class Model:
    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, prompt: str) -> dict:
        return {"model": self.name, "text": prompt[::-1]}


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.model = Model("tiny")
    await app.state.model.generate("warm up")
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/generate")
async def generate(prompt: str, request: Request) -> dict:
    return await request.app.state.model.generate(prompt)
