"""What one call does and answers, on a real worker process."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.emulator.worker.platform import Platform, WorkerProcess, encode, function_request


@pytest.mark.parametrize("value", [None, 0, "", "ünï\ud800", b"\0", [1, {"a": (2,)}], {1, 2}])
def test_values_travel_both_ways(warm: Platform, value: object) -> None:
    assert warm.call("def f(value): return value", value).value == value


def test_keyword_arguments_reach_the_function(warm: Platform) -> None:
    outcome = warm.call("def f(a, *, b): return a - b", 5, kwargs={"b": encode(3)})
    assert outcome.value == 2


def test_a_success_has_the_fields_of_the_protocol_and_no_error(warm: Platform) -> None:
    outcome = warm.call("def f(): return 1")
    assert outcome.done == {
        "output": {
            "success": True,
            "result": encode(1),
            "stdout": "",
            "instance_id": None,
            "instance_info": None,
        }
    }


def test_a_coroutine_function_is_awaited(warm: Platform) -> None:
    code = """
        import asyncio

        async def f(x):
            await asyncio.sleep(0)
            return x * 2
    """
    assert warm.call(code, 21).value == 42


def test_one_loop_serves_all_calls_and_runs_between_them(warm: Platform) -> None:
    start = """
        import asyncio, types, sys

        async def f():
            kept = sys.modules["kept_by_test"] = types.ModuleType("kept_by_test")
            kept.loop, kept.ticked = asyncio.get_running_loop(), asyncio.Event()

            async def tick():
                await asyncio.sleep(0.01)
                kept.ticked.set()

            kept.task = asyncio.create_task(tick())
    """
    look = """
        import asyncio, sys

        async def f():
            kept = sys.modules.pop("kept_by_test")
            await asyncio.wait_for(kept.ticked.wait(), 30)
            return kept.loop is asyncio.get_running_loop()
    """
    assert warm.call(start).value is None
    assert warm.call(look).value is True


def test_asyncio_run_fails_in_a_synchronous_function_as_in_the_images(warm: Platform) -> None:
    code = """
        import asyncio

        async def nothing(): pass

        def f():
            call = nothing()
            try:
                asyncio.run(call)
            finally:
                call.close()
    """
    assert "cannot be called from a running event loop" in warm.call(code).error


def test_a_module_keeps_its_state_between_calls(warm: Platform) -> None:
    count = """
        import colorsys

        def f():
            colorsys.calls = getattr(colorsys, "calls", 0) + 1
            return colorsys.calls
    """
    assert warm.call(count).value == 1
    assert warm.call(count).value == 2


def test_an_exception_gives_its_message_and_the_traceback_of_user_code(warm: Platform) -> None:
    code = """
        def helper():
            raise ValueError("no such thing")

        def f():
            print("before")
            helper()
    """
    outcome = warm.call(code)
    assert outcome.done.keys() == {"output", "error"}
    assert outcome.output["success"] is False
    assert outcome.output["result"] is None
    assert outcome.stdout == "before\n"
    message, *trace = outcome.error.splitlines()
    assert message == "no such thing"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ValueError: no such thing"
    assert "in helper" in outcome.error
    assert "execution.py" not in outcome.error


def test_an_exception_whose_text_cannot_be_read_is_still_reported(warm: Platform) -> None:
    code = """
        class Broken(Exception):
            def __str__(self): raise RuntimeError

        def f(): raise Broken
    """
    assert warm.call(code).error.startswith("<Broken whose text cannot be read>\nTraceback")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def f(: pass", "SyntaxError"),
        ("import no_such_module\ndef f(): pass", "No module named 'no_such_module'"),
        ("f = None", "'NoneType' object is not callable"),
    ],
)
def test_source_that_cannot_run_fails_the_job(warm: Platform, code: str, error: str) -> None:
    assert error in warm.call(code).error


@pytest.mark.parametrize(
    ("code", "first_line"),
    [
        ("import sys\ndef f(): sys.exit(3)", "SystemExit: 3 (on Runpod this ends the worker)"),
        ("def f(): raise SystemExit", "SystemExit: no message (on Runpod this ends the worker)"),
        ("def f(): raise KeyboardInterrupt('stop')", "KeyboardInterrupt: stop (on Runpod"),
        ("async def f(): raise SystemExit(4)", "SystemExit: 4 (on Runpod"),
        ("import signal\ndef f(): signal.raise_signal(signal.SIGINT)", "KeyboardInterrupt:"),
        ("import asyncio\nasync def f(): raise asyncio.CancelledError", "CancelledError:"),
    ],
)
def test_what_would_end_the_process_reaches_the_caller_and_the_worker_lives(
    warm: Platform, code: str, first_line: str
) -> None:
    getpid = "import os\ndef f(): return os.getpid()"
    before = warm.call(getpid).value
    outcome = warm.call(code)
    assert outcome.error.startswith(first_line)
    assert outcome.output["success"] is False
    assert warm.call(getpid).value == before


@pytest.mark.parametrize(
    "result",
    [
        "(n for n in range(3))",
        "__import__('threading').Lock()",
        "type('T', (), {'__reduce__': lambda self: 1 / 0})()",
        "type('T', (), {'__reduce__': lambda self: exit(1)})()",
    ],
)
def test_a_result_that_cannot_be_pickled_is_an_error_in_handler(
    warm: Platform, result: str
) -> None:
    outcome = warm.call(f"from sys import exit\ndef f():\n  print('made')\n  return {result}")
    assert outcome.error.startswith("Error in handler: ")
    assert outcome.output["stdout"] is None


def test_a_name_that_is_not_in_the_code_completes_with_the_reason_as_result(
    warm: Platform,
) -> None:
    outcome = warm.run(function_request("def g(): pass"))
    assert "error" not in outcome.done
    assert outcome.output["success"] is False
    assert outcome.output["result"] == "Function 'f' not found in the provided code"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "not a FunctionRequest: str"),
        ({}, "function_name: required"),
        ({"function_name": "f"}, "function_code: required"),
        (function_request("def f(): pass", execution_type="magic"), "execution_type: expected"),
        (function_request("def f(): pass", kwargs=[]), "kwargs: expected an object"),
        (function_request("def f(): pass", dependencies=[1]), "dependencies: expected a list of"),
        (function_request("def f(): pass", serialization_format="json"), "serialization_format"),
        ({"execution_type": "class", "class_name": "C"}, "class_code: required"),
    ],
)
def test_an_input_that_is_not_a_request_is_an_error_in_handler(
    warm: Platform, value: object, text: str
) -> None:
    outcome = warm.run(value)
    assert outcome.error.startswith("Error in handler: ")
    assert text in outcome.error


@pytest.mark.parametrize("argument", ["%%%", "bm90IGEgcGlja2xl", 5, None])
def test_an_argument_that_cannot_be_decoded_fails_the_job(warm: Platform, argument: object) -> None:
    outcome = warm.run(function_request("def f(x): return x") | {"args": [argument]})
    assert outcome.output["success"] is False
    assert outcome.error


def test_stdout_holds_records_then_prints_then_stderr_then_messages(
    shared: tuple[Platform, WorkerProcess],
) -> None:
    platform, worker = shared
    code = """
        import logging, sys

        def f():
            logging.info("informed %d", 1)
            logging.getLogger("mine").warning("warned")
            logging.debug("too quiet")
            print("on error", file=sys.stderr)
            print("printed \\udcff")
    """
    outcome = platform.call(code)
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    records, _, printed = outcome.stdout.partition("\n\n")
    assert re.fullmatch(rf"{time} \| INFO  \| informed 1\n{time} \| WARNING \| warned", records)
    assert printed == "printed \udcff\non error\ninformed 1\nwarned\n"
    for line in ("printed \\udcff", "on error", "| WARNING | warned"):
        assert line in worker.output


def test_logging_with_wrong_arguments_does_not_fail_the_call(warm: Platform) -> None:
    outcome = warm.call("import logging\ndef f(): logging.warning('%d', 'text')")
    assert outcome.value is None
    assert "not all arguments converted" in outcome.stdout or "%d format" in outcome.stdout


def test_prints_reach_the_log_while_the_function_runs(
    shared: tuple[Platform, WorkerProcess],
) -> None:
    platform, worker = shared
    code = """
        import pathlib, time

        def f(log):
            print("live and early")
            deadline = time.monotonic() + 5
            while "live and early" not in pathlib.Path(log).read_text():
                assert time.monotonic() < deadline
    """
    assert platform.call(code, str(worker.log)).value is None


def test_what_a_thread_prints_after_the_call_goes_to_the_log_only(
    shared: tuple[Platform, WorkerProcess],
) -> None:
    platform, _ = shared
    start = """
        import sys, threading, types

        def f():
            kept = sys.modules["kept_by_test"] = types.ModuleType("kept_by_test")
            kept.go, out = threading.Event(), sys.stdout
            kept.thread = threading.Thread(
                target=lambda: (kept.go.wait(30), print("late", file=out), print("later"))
            )
            kept.thread.start()
    """
    finish = """
        import sys

        def f():
            kept = sys.modules.pop("kept_by_test")
            kept.go.set()
            kept.thread.join(5)
    """
    assert platform.call(start).stdout == ""
    assert platform.call(finish).stdout == "later\n"


CLASS = """
    class Counter:
        def __init__(self, start=0, *, step=1):
            self.value, self.step = start, step

        def add(self, times=1):
            self.value += times * self.step
            return self.value

        async def later(self):
            return "later"

        def __call__(self):
            return "called"
"""


def class_request(**fields: Any) -> dict[str, Any]:
    code = function_request(CLASS)["function_code"]
    return {"execution_type": "class", "class_name": "Counter", "class_code": code, **fields}


def test_a_method_runs_on_an_instance_built_from_the_constructor_arguments(
    warm: Platform,
) -> None:
    request = class_request(
        constructor_args=[encode(10)],
        constructor_kwargs={"step": encode(5)},
        method_name="add",
        args=[encode(2)],
        instance_id="Counter_12345678",
    )
    outcome = warm.run(request)
    assert outcome.value == 20
    assert outcome.output["instance_id"] == "Counter_12345678"
    info = outcome.output["instance_info"]
    assert info["class_name"] == "Counter"
    assert info["method_calls"] == 1
    assert info.keys() == {"class_name", "created_at", "method_calls", "last_used"}


def test_no_instance_lives_from_one_job_to_the_next(warm: Platform) -> None:
    request = class_request(method_name="add", instance_id="one", create_new_instance=False)
    assert [warm.run(request).value for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(("method", "value"), [("__call__", "called"), ("later", "later")])
def test_call_is_the_default_method_and_async_methods_are_awaited(
    warm: Platform, method: str, value: str
) -> None:
    fields = {} if method == "__call__" else {"method_name": method}
    outcome = warm.run(class_request(**fields))
    assert outcome.value == value
    assert outcome.output["instance_id"].startswith("Counter_")


def test_a_missing_method_or_class_is_named(warm: Platform) -> None:
    outcome = warm.run(class_request(method_name="vanish"))
    assert outcome.error.startswith("Method 'vanish' not found in class 'Counter'")
    outcome = warm.run(class_request(class_name="Nothing"))
    assert outcome.error.startswith("Class 'Nothing' not found in the provided code")
