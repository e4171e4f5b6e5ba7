from fastapi import APIRouter
from runpod_flash import LiveServerless, remote

router = APIRouter()
config = LiveServerless(name="shape_gpu", workersMax=1)
NAME = "second"


def named(x: int) -> str:
    return f"{NAME} {x}"


@remote(config)
def run(x: int) -> str:
    return named(x)


@router.get("/run/{x}")
async def route(x: int) -> str:
    return await run(x)
