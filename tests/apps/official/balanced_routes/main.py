"""Routes of load-balancing endpoints, defined in a module of their own and called by the app."""

from balanced_workers import health, transform
from fastapi import FastAPI

app = FastAPI()


@app.post("/transform")
async def transformed(data: dict) -> dict:
    return await transform(data["text"], data.get("operation", "upper"))


@app.get("/workers")
async def workers() -> dict:
    return await health()
