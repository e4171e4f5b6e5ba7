"""``Endpoint`` of later versions: a queue, and routes of a load balancer."""

from fastapi import FastAPI
from runpod_flash import Endpoint

app = FastAPI()


@Endpoint(name="endpoint_queue", cpu="cpu3c-1-2", workers=(0, 2), max_concurrency=2)
async def double(number: int) -> int:
    return factor() * number


def factor() -> int:
    return 2


api = Endpoint(name="endpoint_api", cpu="cpu3c-2-4", workers=1)


@api.post("/length")
async def length(text: str) -> int:
    return len(text)


@api.get("/about")
async def about() -> dict:
    return {"factor": factor()}


@app.get("/all/{number}")
async def everything(number: int) -> dict:
    return {"double": await double(number), "length": await length("word"), **await about()}
