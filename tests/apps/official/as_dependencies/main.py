"""Remote functions and methods wherever FastAPI takes a callable."""

import asyncio

from fastapi import BackgroundTasks, Depends, FastAPI
from runpod_flash import CpuLiveServerless, remote

config = CpuLiveServerless(name="shape_cpu", workersMax=1)
app = FastAPI()
done: list[int] = []
noticed = asyncio.Event()


@remote(config)
def double(x: int) -> int:
    return 2 * x


@remote(config)
class Adder:
    def __init__(self, more):
        self.more = more

    def add(self, y: int) -> int:
        return y + self.more


async def noted(x: int) -> None:
    done.append(await double(x))
    noticed.set()


app.get("/direct")(double)


@app.get("/depends")
async def depends(doubled: int = Depends(double), added: int = Depends(Adder(5).add)) -> list[int]:
    return [doubled, added]


@app.get("/background")
async def background(tasks: BackgroundTasks) -> bool:
    tasks.add_task(double, 1)
    tasks.add_task(noted, 4)
    return asyncio.iscoroutinefunction(double)


@app.get("/done")
async def seen() -> list[int]:
    await asyncio.wait_for(noticed.wait(), 50)
    return done
