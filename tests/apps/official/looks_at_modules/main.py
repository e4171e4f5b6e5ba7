"""What a library does on import that asks where its caller's code is: torch, for one."""

from fastapi import FastAPI
from looking.worker import look

app = FastAPI()


@app.get("/look")
async def route() -> dict:
    return await look()
