"""An app of the official SDK: a plain script, as its documentation writes them."""

import asyncio
import json

from runpod_flash import CpuInstanceType, CpuLiveServerless, remote

config = CpuLiveServerless(name="sums", instanceIds=[CpuInstanceType.CPU3C_1_2])


@remote(resource_config=config)
async def add(left, right):
    return left + right


@remote(resource_config=config)
def fail(text):
    raise ValueError(text)


@remote(resource_config=config)
class Counter:
    def __init__(self, start):
        self.count = start

    async def up(self, by):
        self.count += by
        return self.count


async def main():
    counter = Counter(10)
    results = [await add(1, 2), await add("a", "b"), await counter.up(1), await counter.up(2)]
    try:
        await fail("no such thing")
    except Exception as error:  # noqa: BLE001 - what the SDK raises
        results.append("no such thing" in str(error))
    print("\n" + json.dumps(results))


asyncio.run(main())
