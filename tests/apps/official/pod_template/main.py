"""A template, and keywords that have no meaning here."""

from fastapi import FastAPI
from runpod_flash import LiveServerless, PodTemplate, remote

app = FastAPI()
template = PodTemplate(
    name="templated",
    containerDiskInGb=20,
    volumeInGb=30,
    env=[{"key": "MODE", "value": "fast"}],
    startScript="",
)
gpu = LiveServerless(name="template_worker", template=template, workersPFBTarget=1)


@remote(gpu, hf_models_to_cache=["someone/model"])
async def mode() -> str:
    import os

    return os.environ["MODE"]


@app.get("/mode")
async def read_mode() -> dict:
    return {"mode": await mode()}
