"""Errors of remote functions become HTTP answers, by their types."""

from fastapi import FastAPI, HTTPException
from runpod_flash import LiveServerless, remote

app = FastAPI()
gpu = LiveServerless(name="errors_as_answers", workersMax=1)


class OutOfRange(ValueError):
    def __init__(self, value: int) -> None:
        super().__init__(f"{value} is out of range")
        self.value = value


@remote(gpu)
async def root(value: int) -> float:
    if value < 0:
        raise OutOfRange(value)
    return {4: 2.0, 9: 3.0}[value]


@app.get("/root/{value}")
async def read_root(value: int) -> dict:
    try:
        return {"root": await root(value)}
    except OutOfRange as error:
        return {"refused": error.value, "why": str(error)}
    except KeyError as error:
        return {"missing": error.args[0]}


@app.get("/strict/{value}")
async def strict(value: int) -> dict:
    try:
        return {"root": await root(value)}
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
