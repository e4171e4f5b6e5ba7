from fastapi import APIRouter
from runpod_flash import GpuGroup, LiveServerless, remote

gpu = LiveServerless(name="stages_report", gpus=[GpuGroup.ADA_24], workersMax=1)
router = APIRouter()


@remote(gpu)
async def longest(words: list) -> str:
    return max(words, key=len)


@router.post("/")
async def reported(words: list[str]) -> str:
    return await longest(words)
