"""Models, enums and dates as arguments and results."""

from datetime import date, timedelta
from enum import Enum

from fastapi import FastAPI
from pydantic import BaseModel, Field
from runpod_flash import LiveServerless, remote

app = FastAPI()
gpu = LiveServerless(name="typed_messages", workersMax=1)


class Priority(str, Enum):
    LOW = "low"
    HIGH = "high"


class Order(BaseModel):
    item: str = Field(min_length=1)
    count: int = 1
    priority: Priority = Priority.LOW
    wanted: date | None = None


class Receipt(BaseModel):
    order: Order
    ready: date


@remote(gpu, dependencies=["pydantic"])
async def process(order: Order) -> Receipt:
    days = 1 if order.priority is Priority.HIGH else 7
    start = order.wanted or date(2024, 1, 1)
    return Receipt(order=order, ready=start + timedelta(days=days * order.count))


@app.post("/orders")
async def place(order: Order) -> Receipt:
    receipt = await process(order)
    assert isinstance(receipt, Receipt)
    return receipt
