"""An app of the official SDK that awaits its functions in its handlers."""

from fastapi import FastAPI
from runpod_flash import CpuInstanceType, CpuLiveServerless, remote

app = FastAPI()
config = CpuLiveServerless(name="web", instanceIds=[CpuInstanceType.CPU3C_1_2])


@remote(resource_config=config)
async def add(left, right):
    return left + right


@remote(resource_config=config)
class Counter:
    def __init__(self, start):
        self.count = start

    async def up(self, by):
        self.count += by
        return self.count


@app.get("/add/{left}/{right}")
async def added(left: int, right: int):
    return await add(left, right)


@app.get("/count/{start}")
async def counted(start: int):
    return await Counter(start).up(1)
