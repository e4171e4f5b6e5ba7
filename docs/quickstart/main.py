"""A web API on this machine; its heavy work runs on Runpod."""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from workers.cpu import clean
from workers.gpu import analyse

app = FastAPI(title="Quickstart")


class Job(BaseModel):
    data: str


@app.get("/")
def index() -> dict[str, object]:
    return {"message": "POST some data to /process", "server_pid": os.getpid()}


@app.post("/process")
async def process(job: Job) -> dict[str, object]:
    cleaned = await clean(job.data)
    analysis = await analyse(cleaned["text"])
    return {"server_pid": os.getpid(), "cpu": cleaned, "gpu": analysis}
