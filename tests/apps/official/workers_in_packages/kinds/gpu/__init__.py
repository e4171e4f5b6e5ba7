from fastapi import APIRouter

from .endpoint import count

gpu_router = APIRouter()


@gpu_router.get("/count")
async def route(text: str) -> int:
    return await count(text)
