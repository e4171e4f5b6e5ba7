"""What user code sees around it: modules, environment, streams, processes it starts."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.emulator.worker.platform import Platform, WorkerProcess

IMPORTS = "import importlib\ndef f(name): return importlib.import_module(name).__name__"


@pytest.mark.parametrize("name", ["json", "ssl", "sqlite3", "multiprocessing", "cloudpickle"])
def test_the_standard_library_and_cloudpickle_are_there(warm: Platform, name: str) -> None:
    assert warm.call(IMPORTS, name).value == name


@pytest.mark.parametrize(
    "name", ["pytest_flash", "flash_cli", "fastapi", "pydantic", "pytest", "pip", "main", "tests"]
)
def test_nothing_else_of_the_users_environment_is(warm: Platform, name: str) -> None:
    assert f"No module named '{name}'" in warm.call(IMPORTS, name).error


def test_importlib_metadata_shows_only_what_can_be_imported(warm: Platform) -> None:
    code = """
        from importlib.metadata import distributions

        def f(): return {one.metadata["Name"]: one.version for one in distributions()}
    """
    assert warm.call(code).value == {"cloudpickle": version("cloudpickle")}


def test_the_environment_is_the_endpoints_and_private_variables_are_gone(
    platform: Platform, start_worker: Callable[..., WorkerProcess]
) -> None:
    worker = start_worker(MODEL="small")
    environment = platform.call("import os\ndef f(): return dict(os.environ)").value
    assert environment.keys() == {
        *("HOME", "LANG", "PATH", "MODEL"),
        *("RUNPOD_ENDPOINT_ID", "RUNPOD_POD_ID", "RUNPOD_POD_HOSTNAME", "RUNPOD_PING_INTERVAL"),
        *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
    }
    assert environment["MODEL"] == "small"
    assert environment["HOME"] == str(worker.home)
    child = "import subprocess\ndef f(): return subprocess.check_output(['env'], text=True)"
    assert "RUNPOD_AI_API_KEY" not in platform.call(child).value


def test_the_working_directory_is_empty_and_arguments_and_input_are_clean(
    warm: Platform,
) -> None:
    code = """
        import os, sys

        def f():
            main = sys.modules["__main__"]
            return os.listdir(), sys.argv, sys.stdin.read(), hasattr(main, "__file__")
    """
    assert warm.call(code).value == ([], [""], "", False)


def test_captured_streams_have_no_descriptor_as_in_the_images(warm: Platform) -> None:
    assert "fileno" in warm.call("import sys\ndef f(): sys.stdout.fileno()").error


def test_pythonpath_of_the_endpoint_is_honoured(
    platform: Platform, start_worker: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "on_volume.py").write_text("")
    start_worker(PYTHONPATH=str(tmp_path / "volume"))
    assert platform.call(IMPORTS, "on_volume").value == "on_volume"


@pytest.mark.parametrize("python", ["sys.executable", "'python'", "'python3'"])
def test_a_python_that_user_code_starts_sees_the_same_packages(
    platform: Platform, start_worker: Callable[..., WorkerProcess], python: str
) -> None:
    start_worker()
    code = f"""
        import subprocess, sys

        def f(name):
            command = [{python}, "-c", "import cloudpickle, annotated_types, " + name]
            return subprocess.run(command, capture_output=True, text=True).stderr
    """
    declared = ["annotated-types"]
    assert platform.call(code, "json", dependencies=declared).value == ""
    for hidden in ("pip", "pytest", "pytest_flash"):
        error = platform.call(code, hidden, dependencies=declared).value
        assert f"No module named '{hidden}'" in error


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_multiprocessing_works_and_stays_hermetic(warm: Platform, method: str) -> None:
    code = """
        import importlib, multiprocessing

        def f(method):
            with multiprocessing.get_context(method).Pool(2) as pool:
                values = pool.map(abs, [-1, 2])
                try:
                    pool.apply(importlib.import_module, ["pytest_flash"])
                except ModuleNotFoundError as error:
                    return values, str(error)
    """
    assert warm.call(code, method).value == ([1, 2], "No module named 'pytest_flash'")
    assert warm.call("def f(): return 'alive'").value == "alive"


def test_threads_work(warm: Platform) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor

        def f():
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(abs, [-1, 2]))
    """
    assert warm.call(code).value == [1, 2]


def test_a_real_package_with_a_compiled_part_works(
    platform: Platform, start_worker: Callable[..., WorkerProcess]
) -> None:
    start_worker()
    code = """
        import importlib.metadata

        def f():
            import pydantic

            class Model(pydantic.BaseModel):
                x: int

            return Model(x="3").x, importlib.metadata.version("pydantic")
    """
    outcome = platform.call(code, dependencies=["pydantic>=2"])
    assert outcome.value == (3, version("pydantic"))
