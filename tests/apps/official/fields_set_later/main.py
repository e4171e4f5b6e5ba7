"""Fields of a resource that are set after it is made."""

import os

from fastapi import APIRouter, FastAPI
from runpod_flash import CpuLiveServerless, remote

config = CpuLiveServerless(name="set_fields")
config.workersMax = 1
config.idleTimeout = 30
config.env = {"RUNPOD_API_KEY": os.environ.get("RUNPOD_API_KEY", ""), "LEVEL": "7"}

app = FastAPI()
router = APIRouter()


@remote(config, dependencies=[])
async def settings() -> dict:
    import os

    return {name: os.environ.get(name) for name in ("LEVEL", "RUNPOD_API_KEY")}


@router.get("/settings")
async def read_settings() -> dict:
    return await settings()


app.include_router(router)
