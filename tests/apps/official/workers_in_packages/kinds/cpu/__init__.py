from fastapi import APIRouter

from .endpoint import tidy

cpu_router = APIRouter()


@cpu_router.get("/tidy")
async def route(text: str) -> str:
    return await tidy(text)
