"""A worker behind a load balancer by the official protocol and no more, served by uvicorn.

It executes the code, calls the name and captures with ``redirect_stdout``, for the whole process
and however many calls run.
"""

from __future__ import annotations

import base64
import contextlib
import inspect
import io
import traceback
from typing import Any

import cloudpickle
from fastapi import FastAPI

app = FastAPI()


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"status": "healthy"}


@app.post("/execute")
async def execute(body: dict[str, Any]) -> dict[str, Any]:
    request = body.get("input", body)
    response: dict[str, Any] = dict.fromkeys(("success", "result", "error", "stdout"))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            value = await _call(request)
            response["result"] = base64.b64encode(cloudpickle.dumps(value)).decode()
            response["success"] = True
        except Exception as error:  # noqa: BLE001 - whatever the function raises
            response["error"] = f"{error}\n{traceback.format_exc()}"
            response["success"] = False
        response["stdout"] = printed.getvalue()
    return response


async def _call(request: dict[str, Any]) -> Any:
    namespace: dict[str, Any] = {}
    exec(request["function_code"], namespace)
    function = namespace[request["function_name"]]
    args = [cloudpickle.loads(base64.b64decode(each)) for each in request["args"]]
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return function(*args)
