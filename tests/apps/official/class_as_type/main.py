"""A remote class in annotations, checks and dependencies; one instance for all requests."""

from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from runpod_flash import LiveServerless, remote

config = LiveServerless(name="shape_gpu", workersMax=1)


@remote(resource_config=config)
class Model:
    def __init__(self, name="small"):
        self.name = name
        self.calls = 0

    def predict(self, text: str) -> dict:
        self.calls += 1
        return {"model": self.name, "length": len(text), "first": self.calls == 1}


@remote(resource_config=config)
class Large(Model):
    def __init__(self):
        super().__init__("large")


class Held:
    model: Model | None = None


held = Held()


@asynccontextmanager
async def lifespan(_):
    held.model = Model()
    yield


app = FastAPI(lifespan=lifespan)


def model() -> Model | None:
    return held.model or Model()


@app.get("/predict")
async def predict(text: str, model: Annotated[Model, Depends(model)]) -> dict:
    assert isinstance(model, Model)
    return {**await model.predict(text), "first": None}


@app.get("/large")
async def large(request: Request) -> dict:
    made = Large()
    assert isinstance(made, Model)
    return {**await made.predict(request.query_params["text"]), "first": None}
