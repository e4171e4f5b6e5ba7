"""What importing costs, in modules: times are for the benchmarks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.environment import clean_environment

HEAVY = {"fastapi", "uvicorn", "httpx", "pydantic", "pytest", "rich", "starlette", "asyncio"}


def modules_loaded_by(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.split())


def loaded_by(code: str) -> set[str]:
    return {name.partition(".")[0] for name in modules_loaded_by(code)}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import pytest_flash") & (HEAVY | {"dataclasses", "typing"})


def test_the_version_is_looked_up_when_it_is_asked_for() -> None:
    assert "importlib.metadata" not in modules_loaded_by("import pytest_flash")
    assert "importlib.metadata" in modules_loaded_by(
        "import pytest_flash; pytest_flash.__version__"
    )


def test_types_for_annotations_load_no_pytest() -> None:
    """Scripts set faults, too."""
    assert "pytest" not in loaded_by("from pytest_flash.testing import EmulatorControl")


def test_help_loads_click_alone() -> None:
    code = (
        "import sys; sys.argv = ['flash', '--help']\n"
        "from flash_cli.main import main\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()"
    )
    assert not loaded_by(code) & (HEAVY | {"difflib", "email"})
    assert "importlib.metadata" not in modules_loaded_by(code)


def test_the_plugin_loads_nothing_beside_pytest() -> None:
    added = loaded_by("import pytest, pytest_flash.plugin") - loaded_by("import pytest")
    assert added == {"pytest_flash"}


def test_starting_an_emulator_needs_nothing_heavy() -> None:
    assert not loaded_by("import pytest_flash.emulator.client.process") & HEAVY


@pytest.mark.parametrize(
    "name",
    [
        "remote",
        "LiveServerless",
        "CpuLiveServerless",
        "GpuGroup",
        "GpuType",
        "CpuInstanceType",
        "NetworkVolume",
        "DataCenter",
        "PodTemplate",
        "ServerlessScalerType",
        "CudaVersion",
    ],
)
def test_what_an_app_imports_is_there(name: str) -> None:
    import pytest_flash

    assert getattr(pytest_flash, name).__name__ == name
    assert name in dir(pytest_flash)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    import pytest_flash

    with pytest.raises(AttributeError, match="LiveServerles'"):
        pytest_flash.LiveServerles  # noqa: B018


def test_importing_inner_modules_first_leaves_the_public_names_alone() -> None:
    assert loaded_by(
        "import pytest_flash.session, pytest_flash.functions.calling.calls\n"
        "from pytest_flash import remote\nassert callable(remote)"
    )


def test_a_session_loads_neither_the_state_file_nor_what_calls_take() -> None:
    """Test runs on the embedded Runpod open one, and those of pytest-xdist call from elsewhere."""
    loaded = modules_loaded_by("import pytest_flash.session")
    needless = (
        "filelock",
        "pytest_flash.provisioner.state.store",
        "pytest_flash.functions.calling.calls",
        "pytest_flash.functions.shipping.payload",
    )
    assert loaded.isdisjoint(needless)
