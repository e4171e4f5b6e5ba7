"""Jobs that failed, as exceptions."""

from __future__ import annotations

import builtins
import copy
import importlib.metadata
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_flash import LiveServerless, NetworkVolume, remote
from pytest_flash.errors import (
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    RemoteError,
    WorkerDiedError,
)
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.errors.job_failures import failure
from pytest_flash.functions.protocol.function_messages import FunctionResponse
from pytest_flash.runpod import Endpoint, JobState, JobStatus


@remote(LiveServerless(name="failures"))
def work() -> None: ...


ENDPOINT = Endpoint(id="ep1", name="live-failures", timeout=60_000)


def failed(text: str | None, state: JobState = JobState.FAILED) -> Any:
    job = JobStatus(id="job1", state=state, error=text, worker_id="w1")
    return failure(work.spec, ENDPOINT, job, FunctionResponse(False), stdout="said")


def raised(error: BaseException) -> Any:
    """What arrives when a function raises ``error``: message, line end, traceback."""
    try:
        raise error
    except BaseException:  # noqa: BLE001 - SystemExit is one of the cases
        return failed(f"{error}\n{traceback.format_exc()}")


BUILT_IN = [
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, Warning | UnicodeError | StopIteration | StopAsyncIteration)
    and kind.__name__ not in ("ExceptionGroup", "BaseExceptionGroup")
]


@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_built_in_exception_arrives_as_its_type(kind: type[Exception]) -> None:
    error = raised(kind("the message"))

    assert isinstance(error, kind)
    assert isinstance(error, JobFailedError)
    assert "the message" in str(error)


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), ValueError),
        (StopIteration("x"), JobFailedError),
        (SystemExit(2), JobFailedError),
        (type("Custom", (Exception,), {})("x"), JobFailedError),
    ],
)
def test_what_cannot_be_rebuilt_arrives_as_its_nearest_base(
    error: BaseException, base: type[Exception]
) -> None:
    assert isinstance(raised(error), base)


def test_everything_known_is_carried() -> None:
    error = raised(ValueError("no"))

    assert (error.job_id, error.endpoint_id, error.worker_id) == ("job1", "ep1", "w1")
    assert error.stdout == "said"
    text = str(error)
    assert text.startswith(f"work ({__file__}:")
    assert "on endpoint live-failures failed: ValueError: no" in text
    assert "Remote traceback" in text
    assert "raise error" in text


def test_a_message_over_several_lines_keeps_its_type() -> None:
    error = raised(KeyError("first\nsecond"))
    assert isinstance(error, KeyError)
    assert isinstance(raised(ValueError("first\nOSError: second")), ValueError)


def test_a_missing_package_names_the_requirement() -> None:
    error = raised(ModuleNotFoundError("No module named 'yaml.nodes'", name="yaml.nodes"))
    assert isinstance(error, ModuleNotFoundError)
    assert "dependencies=['" in str(error)
    assert "yaml" in str(error).lower()


def test_a_missing_package_is_named_by_its_distribution() -> None:
    error = raised(ModuleNotFoundError("No module named 'dotenv'", name="dotenv"))
    assert "dependencies=['python-dotenv']" in str(error)


def test_a_worker_that_died_has_no_traceback() -> None:
    text = "worker w1 was killed by SIGKILL"
    job = JobStatus(id="job1", state=JobState.FAILED, error=text, worker_id="w1")
    error = failure(work.spec, ENDPOINT, job, None)
    assert type(error) is WorkerDiedError
    assert "worker w1 was killed by SIGKILL" in str(error)


def test_timed_out_names_the_limit_and_the_way_out() -> None:
    error = failed(None, JobState.TIMED_OUT)
    assert isinstance(error, JobTimedOutError)
    assert "60 s" in str(error)
    assert "executionTimeoutMs" in str(error)


def test_cancelled() -> None:
    assert isinstance(failed(None, JobState.CANCELLED), JobCancelledError)


@pytest.mark.parametrize("kind", [KeyError, OSError, ImportError, ValueError])
def test_a_message_reads_plainly(kind: type[Exception]) -> None:
    error = raised(kind("plain"))
    assert "\n\nRemote traceback" in str(error)
    assert "\\n" not in str(error)


@pytest.mark.parametrize(
    "kind", [*BUILT_IN, UnicodeError, type("Custom", (Exception,), {}), SystemExit]
)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_can_be_copied_and_pickled(
    kind: type[BaseException], copied: Callable[[RemoteError], RemoteError]
) -> None:
    error = raised(kind("gone"))

    twin = copied(error)

    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
    assert twin.job_id == "job1"


def missing(spec: FunctionSpec, module: str) -> str:
    text = f"x\nTraceback (most recent call last):\nModuleNotFoundError: No module named '{module}'"
    job = JobStatus(id="job1", state=JobState.FAILED, error=text)
    return str(failure(spec, ENDPOINT, job, FunctionResponse(False)))


@pytest.mark.parametrize("package", ["click", "pydantic", "dotenv", "httpx"])
def test_an_installed_package_is_a_dependency_even_without_top_level_txt(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python 3.10 answers for distributions that have no top_level.txt.
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    requirement = {"dotenv": "python-dotenv"}.get(package, package)
    assert f"dependencies=['{requirement}']" in missing(work.spec, package)


def test_a_module_beside_the_function_is_one_of_the_project(
    module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_helpers_of_the_shop.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    made = module(
        "from pytest_flash import LiveServerless, remote\n"
        "@remote(LiveServerless(name='g'))\ndef f():\n    pass\n"
    )
    assert "is a module of your project" in missing(made.f.spec, "my_helpers_of_the_shop")


@remote(
    LiveServerless(name="volume", networkVolume=NetworkVolume(name="data")),
    dependencies=["httpx<0.1"],
)
def with_volume() -> None: ...


@pytest.mark.parametrize(
    ("spec", "error", "way_out"),
    [
        (work.spec, FileNotFoundError(2, "No such file", "/runpod-volume/x"), "has no network"),
        (with_volume.spec, FileNotFoundError(2, "No", "/runpod-volume/x"), "RUNPOD_VOLUME_PATH"),
        (
            with_volume.spec,
            ModuleNotFoundError("No module named 'httpx._new'", name="httpx._new"),
            f"declares 'httpx<0.1', and {importlib.metadata.version('httpx')} is installed here",
        ),
    ],
)
def test_what_the_worker_lacks_is_named_with_the_way_out(
    spec: FunctionSpec, error: Exception, way_out: str
) -> None:
    try:
        raise error
    except (OSError, ImportError):
        text = f"{error}\n{traceback.format_exc()}"
    job = JobStatus(id="job1", state=JobState.FAILED, error=text, worker_id="w1")
    made = failure(spec, ENDPOINT, job, FunctionResponse(False), stdout="")
    assert way_out in str(made)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "nvidia-smi"),
        AssertionError("Torch not compiled with CUDA enabled"),
        RuntimeError("Found no NVIDIA driver on your system. Please check that you have one"),
        RuntimeError("No CUDA GPUs are available"),
    ],
    ids=str,
)
def test_where_there_is_no_gpu_it_says_what_to_do(error: Exception) -> None:
    failure = raised(error)
    assert isinstance(failure, type(error))
    assert "needs a GPU, and where it ran there is none" in str(failure)
    assert "flash_endpoints.stub" in str(failure)


def test_another_missing_program_is_none_of_a_gpu() -> None:
    assert "GPU" not in str(raised(FileNotFoundError(2, "No such file or directory", "ffmpeg")))
