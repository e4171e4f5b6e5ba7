"""Modules of the project that are called like Python's, seen from the worker that runs them.

Every name that a worker has not loaded by itself is one that a caller may have a module of.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from pytest_flash import CpuLiveServerless, remote
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.shipping import worker_runtime
from tests.functions.workers import MinimalWorker

TRAP = """\
import sys
frame = sys._getframe(1)
with open({log!r}, "a") as log:
    print(__name__, frame.f_code.co_filename, frame.f_lineno, file=log)
raise ImportError("it is a trap")
"""
MAIN = """\
async def work(kind):
    print("working")
    if kind == "raise":
        try:
            {}["key"]
        except KeyError as error:
            raise OSError(2, "no such", "file") from error
    if kind == "print":
        return [print(x) for x in range(1000)]
    if kind == "function":
        return lambda x: x
    if kind == "unsendable":
        return (x for x in ())
    return {"kind": kind, "own": Own()}


class Own:
    pass
"""
LOADED = "import sys\ndef loaded():\n    return {n.partition('.')[0] for n in sys.modules}\n"


@remote(CpuLiveServerless(name="shadows", workersMax=1))
def loaded() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def request(code: str, name: str, *args: Any) -> dict[str, Any]:
    encoded = [base64.b64encode(cloudpickle.dumps(each)).decode() for each in args]
    return {"function_name": name, "function_code": code, "args": encoded, "kwargs": {}}


def trapped(names: set[str], log: Path) -> str:
    """What is sent for ``work`` in the company of modules of these names."""
    texts = {name: TRAP.format(log=str(log)) for name in names} | {"main": MAIN}
    entries = [(name, f"key {name}", name, f"/project/{name}.py", False) for name in sorted(names)]
    main = ("main", "", "main", "/project/main.py", False, (), False, (), ())
    return (
        f"{worker_runtime.boot()}work = "
        f"sys.modules[{worker_runtime.name() + '.entry_point'!r}].entry(\n"
        f"    ('named', 'main', 'work', '', 10**7), True, {(*entries, main)!r},\n"
        f"    ({worker_runtime.pack(texts)!r},))\n"
    )


KINDS = ("plain", "raise", "print", "function", "unsendable")


@pytest.mark.parametrize("worker", ["ours", "minimal"])
def test_the_runtime_on_the_worker_takes_them_for_nobody(
    minimal: MinimalWorker, ours: RemoteCalls, tmp_path: Path, worker: str
) -> None:
    log = tmp_path / "sprung"

    def ask(code: str, name: str, *args: Any) -> dict[str, Any]:
        made = request(code, name, *args)
        return asyncio.run(submitted(ours, made)) if worker == "ours" else minimal.ask(made)

    answer = cloudpickle.loads(base64.b64decode(ask(LOADED, "loaded")["result"]))
    names = set(sys.stdlib_module_names) - answer - {"__future__"}
    assert {"profile", "statistics"} <= names
    for kind in KINDS:
        header, data = pickle.dumps(([], None)), pickle.dumps(((kind,), {}))
        response = ask(trapped(names, log), "work", header, data, bytearray(os.urandom(32)))
        succeeded = response.get("success", False)
        assert succeeded == (kind not in ("raise", "unsendable")), response
    assert not log.exists(), log.read_text()


async def submitted(calls: RemoteCalls, made: dict[str, Any]) -> dict[str, Any]:
    """The answer of the emulator's worker."""
    endpoint = await calls._endpoint_for(loaded.spec, None)
    body = json.dumps({"input": made}).encode()
    job = await calls.queue.runsync(endpoint.id, body, wait=60.0)
    return dict(job.output) if isinstance(job.output, dict) else {"error": job.error}
