import asyncio

import aiohttp
from aioresponses import aioresponses
from main import double


def test_ours_is_not_mocked(flash_async_client):
    async def calls():
        with aioresponses() as mocked:
            mocked.get("http://outside.example/", body="mocked")
            async with aiohttp.ClientSession() as session:
                outside = await (await session.get("http://outside.example/")).text()
            answer = await flash_async_client.get("/double/2")
            return outside, answer.json()["value"], await double(3)

    assert asyncio.run(calls()) == ("mocked", 4, 6)
