from fastapi import APIRouter
from greeting_words import greeting
from pydantic import BaseModel
from runpod_flash import GpuGroup, LiveServerless, remote

router = APIRouter()
config = LiveServerless(
    name="shape_greeting", gpus=[GpuGroup.ANY], workersMin=0, workersMax=1, idleTimeout=5
)


class Message(BaseModel):
    message: str = "hello"


@remote(resource_config=config)
async def greet(data: dict) -> dict:
    return {"greeting": greeting(data["message"])}


@router.post("/greet")
async def route(message: Message) -> dict:
    return await greet({"message": message.message})
