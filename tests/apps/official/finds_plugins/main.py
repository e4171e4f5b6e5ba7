"""A package that imports all of its modules, which enter themselves in a table."""

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, remote
from steps import STEPS

app = FastAPI()


@remote(CpuLiveServerless(name="shape_cpu", workersMax=1))
def process(text: str) -> str:
    for name in sorted(STEPS):
        text = STEPS[name](text)
    return text


@app.get("/process")
async def route(text: str) -> str:
    return await process(text)
