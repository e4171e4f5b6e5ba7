"""A worker of the official protocol that does no more than the protocol asks.

Reads a FunctionRequest from each line of standard input and writes a FunctionResponse: it
executes ``function_code`` in an empty namespace, decodes the arguments, and calls the name.
"""

import asyncio
import base64
import contextlib
import inspect
import io
import json
import sys
import traceback
from typing import Any

import cloudpickle


def decode(text: str) -> Any:
    return cloudpickle.loads(base64.b64decode(text))


async def handle(request: dict[str, Any]) -> dict[str, Any]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            namespace: dict[str, Any] = {}
            exec(request["function_code"], namespace)
            function = namespace[request["function_name"]]
            args = [decode(each) for each in request["args"]]
            kwargs = {name: decode(each) for name, each in request["kwargs"].items()}
            if inspect.iscoroutinefunction(function):
                value = await function(*args, **kwargs)
            else:
                value = function(*args, **kwargs)
            result = base64.b64encode(cloudpickle.dumps(value)).decode()
            response: dict[str, Any] = {"success": True, "result": result}
        except Exception as error:  # noqa: BLE001 - whatever the function raises
            text = f"{error}\n{traceback.format_exc()}"
            response = {"success": False, "error": text}
    return {**response, "stdout": output.getvalue()}


async def main() -> None:
    for line in sys.stdin:
        print(json.dumps(await handle(json.loads(line))), flush=True)


asyncio.run(main())
