"""Routers in a package, whose endpoints are the stages of a pipeline that the app runs."""

from fastapi import FastAPI
from stages import clean, report

app = FastAPI(title="Stages")
app.include_router(clean.router, prefix="/clean", tags=["stages"])
app.include_router(report.router, prefix="/report", tags=["stages"])


@app.post("/classify")
async def classify(data: dict) -> dict:
    words = await clean.split(data["text"])
    return {"count": len(words), "report": await report.longest(words)}
