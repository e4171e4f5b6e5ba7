"""Files on a network volume."""

from fastapi import FastAPI
from runpod_flash import CpuLiveServerless, NetworkVolume, remote

app = FastAPI()
volume = NetworkVolume(name="models", size=50)
cpu = CpuLiveServerless(name="volume_worker", networkVolume=volume)


@remote(cpu)
def remember(text: str) -> str:
    from pathlib import Path

    notes = Path("/runpod-volume/notes")
    notes.mkdir(exist_ok=True)
    (notes / "note.txt").write_text(text)
    return (notes / "note.txt").read_text()


@app.get("/remember/{text}")
async def read(text: str) -> dict:
    try:
        return {"note": await remember(text)}
    except FileNotFoundError as error:
        return {"error": "RUNPOD_VOLUME_PATH" in str(error)}
