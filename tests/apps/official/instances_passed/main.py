"""Instances of a remote class, and their methods, as arguments of remote functions."""

from fastapi import FastAPI
from runpod_flash import LiveServerless, remote

config = LiveServerless(name="shape_gpu", workersMax=1)
app = FastAPI()


@remote(config)
class Tokens:
    def __init__(self, separator):
        self.separator = separator

    def split(self, text):
        return text.split(self.separator)


@remote(config)
async def longest(tokens, text):
    return max(await tokens.split(text), key=len)


@remote(config)
async def through(split, text):
    return len(await split(text))


@app.get("/longest")
async def route(text: str) -> dict:
    tokens = Tokens("-")
    return {"longest": await longest(tokens, text), "count": await through(tokens.split, text)}
