from fastapi import APIRouter
from runpod_flash import CpuLiveServerless, remote

from .settings import SEPARATOR

cpu = CpuLiveServerless(name="stages_clean", workersMax=1)
router = APIRouter()


@remote(cpu)
async def split(text: str) -> list:
    return [each.strip().lower() for each in text.split(SEPARATOR) if each.strip()]


@router.get("/")
async def cleaned(text: str) -> list:
    return await split(text)
