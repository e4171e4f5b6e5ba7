"""`__init__.py` beside it, in a folder whose name is no identifier; imports what is beside it."""

from fastapi import FastAPI
from greeting_worker import router

app = FastAPI()
app.include_router(router, prefix="/gpu")


@app.get("/ping")
def ping() -> dict[str, str]:
    return {"status": "healthy"}
