"""A package for the workers, one below it for each kind, and their configuration above."""

from fastapi import FastAPI
from kinds.cpu import cpu_router
from kinds.cpu.endpoint import tidy
from kinds.gpu import gpu_router
from kinds.gpu.endpoint import count

app = FastAPI()
app.include_router(gpu_router, prefix="/gpu")
app.include_router(cpu_router, prefix="/cpu")


@app.post("/pipeline")
async def pipeline(body: dict) -> dict:
    return {"words": await count(await tidy(body["text"]))}
