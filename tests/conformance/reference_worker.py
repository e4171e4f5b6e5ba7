"""What the Flash images do with a job, as a handler on the unmodified official worker.

Written from the facts that are known of their worker (worker-flash 1.0.0), with the official models
of requests and answers; without what it installs. Runs in the environment of the official packages.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import logging
import traceback
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any
from uuid import uuid4

import cloudpickle
import runpod
from runpod_flash.protos.remote_execution import FunctionRequest, FunctionResponse

ONE_AT_A_TIME = asyncio.Lock()


class Lines(logging.Handler):
    """The records of one job, formatted as the images do."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s | %(levelname)-5s | %(message)s"))
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


def decoded(args: list[str], kwargs: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    def load(text: str) -> Any:
        return cloudpickle.loads(b64decode(text))

    return [load(text) for text in args], {name: load(text) for name, text in kwargs.items()}


def prepare(request: FunctionRequest) -> tuple[Any, dict[str, Any]]:
    """What to call, and what the answer will say of an instance; or a response that ends it."""
    namespace: dict[str, Any] = {}
    if request.execution_type != "class":
        exec(request.function_code or "", namespace)
        if request.function_name not in namespace:
            text = f"Function '{request.function_name}' not found in the provided code"
            return FunctionResponse(success=False, result=text), {}
        return namespace[request.function_name], {}
    exec(request.class_code or "", namespace)
    if request.class_name not in namespace:
        raise ValueError(f"Class '{request.class_name}' not found in the provided code")
    args, kwargs = decoded(request.constructor_args, request.constructor_kwargs)
    instance = namespace[request.class_name](*args, **kwargs)
    if not hasattr(instance, request.method_name):
        text = f"Method '{request.method_name}' not found in class '{request.class_name}'"
        return FunctionResponse(success=False, error=text), {}
    now = datetime.now().isoformat()
    about = {
        "instance_id": request.instance_id or f"{request.class_name}_{uuid4().hex[:8]}",
        "instance_info": {
            "class_name": request.class_name,
            "created_at": now,
            "method_calls": 1,
            "last_used": now,
        },
    }
    return getattr(instance, request.method_name), about


async def execute(request: FunctionRequest) -> FunctionResponse:
    out, err, messages = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(messages)

    def printed() -> str:
        return out.getvalue() + err.getvalue() + messages.getvalue()

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        logging.getLogger().addHandler(handler)
        try:
            function, about = prepare(request)
            if isinstance(function, FunctionResponse):
                return function
            args, kwargs = decoded(request.args, request.kwargs)
            value = function(*args, **kwargs)
            if inspect.iscoroutinefunction(function):
                value = await value
        except Exception as error:  # noqa: BLE001 - as the images do
            text = f"{error}\n{traceback.format_exc()}"
            return FunctionResponse(success=False, error=text, stdout=printed())
        finally:
            logging.getLogger().removeHandler(handler)
    result = b64encode(cloudpickle.dumps(value)).decode()
    return FunctionResponse(success=True, result=result, stdout=printed(), **about)


async def handle(job: dict[str, Any]) -> dict[str, Any]:
    lines = Lines()
    async with ONE_AT_A_TIME:
        logging.getLogger().addHandler(lines)
        try:
            response = await execute(FunctionRequest(**job["input"]))
            if lines.seen:
                records = "\n".join(lines.seen)
                response.stdout = f"{records}\n\n{response.stdout}" if response.stdout else records
        except Exception as error:  # noqa: BLE001 - as the images do
            response = FunctionResponse(success=False, error=f"Error in handler: {error}")
        finally:
            logging.getLogger().removeHandler(lines)
    answer: dict[str, Any] = response.model_dump()
    return answer


if __name__ == "__main__":  # It starts a process, which on Python 3.14 imports this anew.
    logging.getLogger().setLevel(logging.INFO)
    # Many jobs are taken at once, since a worker that takes single ones takes one a second.
    runpod.serverless.start({"handler": handle, "concurrency_modifier": lambda _: 100})
