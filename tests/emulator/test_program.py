"""``python -m pytest_flash.emulator``: its options, what it prints, what it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit

import httpx
import pytest

from pytest_flash.emulator.account.desired_workers import RequestCount
from pytest_flash.emulator.account.endpoint_records import Container, EndpointRecord
from pytest_flash.emulator.processes.image_programs import (
    NoProgramError,
    ProjectPrograms,
    SupplyError,
)
from pytest_flash.emulator.startup.config import (
    EmulatorConfig,
    Options,
    Preinstalled,
    load_config,
    repository,
)
from pytest_flash.errors import SettingsError

COMMAND = [sys.executable, "-m", "pytest_flash.emulator"]


@contextmanager
def running(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_json_is_one_line(tmp_path: Path) -> None:
    with running("--json", "--project", str(tmp_path), "--api-key", "abc") as process:
        values = json.loads(line(process))
        assert sorted(values) == [
            "FLASH_IS_LIVE_PROVISIONING",
            "RUNPOD_API_BASE_URL",
            "RUNPOD_API_KEY",
            "RUNPOD_CONSOLE_URL",
            "RUNPOD_ENDPOINT_BASE_URL",
            "RUNPOD_HAPI_URL",
            "RUNPOD_REST_API_URL",
            "RUNPOD_URL_MIXED_OK",
        ]
        urls = [value for name, value in values.items() if name.endswith("_URL")]
        assert len(urls) == 5
        assert {urlsplit(url).hostname for url in urls} == {"127.0.0.1"}
        assert values["RUNPOD_API_KEY"] == "abc"
        answer = httpx.get(
            f"{values['RUNPOD_API_BASE_URL']}/v2/serverless",
            headers={"Authorization": "Bearer abc"},
        )
        assert answer.json() == {"endpoints": []}


def test_lines_can_be_evaluated_by_a_shell(tmp_path: Path) -> None:
    with running("--project", str(tmp_path), "--api-key", "a'b c") as process:
        lines = "".join(line(process) for _ in range(8))
        shown = subprocess.run(
            ["sh", "-c", lines + 'printf "%s|%s|%s" '
             '"$RUNPOD_API_BASE_URL" "$RUNPOD_ENDPOINT_BASE_URL" "$RUNPOD_API_KEY"'],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        management, queue, key = shown.stdout.split("|")
        assert management.endswith("/api")
        assert queue.endswith("/queue/v2")
        assert key == "a'b c"


@pytest.mark.parametrize("stdin", ["a pipe at its end", "an open pipe", "/dev/null"])
def test_it_serves_whatever_its_stdin_is(tmp_path: Path, stdin: str) -> None:
    end, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe, os.fdopen(end, "rb"):
        if stdin == "a pipe at its end":
            pipe.close()
        source = subprocess.DEVNULL if stdin == "/dev/null" else end
        with running("--json", "--project", str(tmp_path), stdin=source) as process:
            values = json.loads(line(process))
            for _ in range(2):
                headers = {"Authorization": f"Bearer {values['RUNPOD_API_KEY']}"}
                url = f"{values['RUNPOD_API_BASE_URL']}/v2/serverless"
                assert httpx.get(url, headers=headers).status_code == 200
            assert process.poll() is None


def test_a_reader_that_goes_away_does_not_end_it(tmp_path: Path) -> None:
    with running("--json", "--project", str(tmp_path)) as process:
        values = json.loads(line(process))
        assert process.stdout is not None
        process.stdout.close()
        headers = {"Authorization": f"Bearer {values['RUNPOD_API_KEY']}"}
        url = f"{values['RUNPOD_API_BASE_URL']}/v2/serverless"
        assert httpx.get(url, headers=headers).status_code == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Error" not in process.stderr.read()
        process.stderr.close()
        process.stdout = process.stderr = None


def test_it_serves_on_the_given_port(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running("--json", "--project", str(tmp_path), "--port", str(port)) as process:
        assert json.loads(line(process))["RUNPOD_API_BASE_URL"] == f"http://127.0.0.1:{port}/api"


def test_it_serves_on_ipv6_loopback(tmp_path: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with running("--json", "--project", str(tmp_path), "--host", "::1") as process:
        values = json.loads(line(process))
        assert values["RUNPOD_API_BASE_URL"].startswith("http://[::1]:")
        headers = {"Authorization": f"Bearer {values['RUNPOD_API_KEY']}"}
        url = f"{values['RUNPOD_API_BASE_URL']}/v2/serverless"
        assert httpx.get(url, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 1, "loopback addresses only"),
        (["--host", "192.168.0.1"], 1, "loopback addresses only"),
        (["--port", "99999"], 1, "no port"),
        (["--port", "x"], 2, "invalid literal"),
        (["--api-key", ""], 1, "--api-key"),
        (["--bogus"], 2, "--bogus"),
        (["extra"], 2, "'extra'"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], code: int, words: str) -> None:
    shown = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert shown.returncode == code
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, text=True, check=False
        )
    assert shown.returncode == 1
    assert f"127.0.0.1:{port} cannot be used" in shown.stderr


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", Preinstalled()),
        ('preinstalled = ["numpy"]', Preinstalled(("numpy",), ("numpy",))),
        ("preinstalled = []", Preinstalled((), ())),
        ('preinstalled = {gpu = ["jax>=0.4"]}', Preinstalled(("jax>=0.4",), ())),
        (
            'preinstalled = {cpu = ["numpy"]}',
            Preinstalled(("torch", "torchvision", "torchaudio"), ("numpy",)),
        ),
    ],
)
def test_preinstalled_packages_are_read(tmp_path: Path, table: str, expected: Preinstalled) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.flash.emulator]\n{table}\n")
    assert load_config(tmp_path).preinstalled == expected


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("preinstaled = []", "did you mean 'preinstalled'"),
        ("preinstalled = {gpus = []}", "did you mean 'gpu'"),
        ('preinstalled = "numpy"', "must be a list of strings"),
        ("preinstalled = [1]", "must be a list of strings"),
        ('preinstalled = ["num py"]', "'num py' is no requirement"),
        ('flash_images = "x"', "must be a list of strings"),
        ('webhooks = "everywhere"', "webhooks must be one of: loopback, anywhere, nowhere"),
        ("webhooks = []", "webhooks must be one of"),
        ("rate_limits = 1", "rate_limits must be true or false"),
        ("redeliveries = true", "redeliveries must be a whole number"),
        ("missed_pings = -1", "missed_pings must be a whole number"),
        ('images = "python handler.py"', "images must be a table"),
        ('images = {"a:1" = 3}', "'a:1' must be a command line"),
        ('images = {"a:1" = " "}', "'a:1' must be a command line"),
        ('images = {"a:1" = "python \'handler.py"}', "cannot be split into words"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, table: str, words: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.flash.emulator]\n{table}\n")
    with pytest.raises(SettingsError, match=words):
        load_config(tmp_path)


def test_options_are_read(tmp_path: Path) -> None:
    assert load_config(tmp_path).options == Options()
    table = 'webhooks = "nowhere"\nrate_limits = true\nredeliveries = 2\nmissed_pings = 0\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.flash.emulator]\n{table}")
    assert load_config(tmp_path).options == Options("nowhere", True, 2, 0)


def test_an_image_is_mapped_by_its_name_before_its_repository(tmp_path: Path) -> None:
    images = """[tool.flash.emulator.images]
"my/image:1" = "python 'my handler.py' $HOME"
"my/image" = "./any.sh"
"""
    (tmp_path / "pyproject.toml").write_text(images)
    config = load_config(tmp_path)
    assert config.command("my/image:1") == ("python", "my handler.py", "$HOME")
    assert config.command("docker.io/my/image:2") == ("./any.sh",)
    assert config.command("my/other:1") is None


def test_a_configuration_hides_its_key(tmp_path: Path) -> None:
    config = load_config(tmp_path, api_key="secret-key")
    assert config.api_key == "secret-key"
    assert "secret-key" not in repr(config)
    assert EmulatorConfig(tmp_path).api_key != EmulatorConfig(tmp_path).api_key


@pytest.mark.parametrize("given", [None, "given"])
def test_the_key_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("FLASH_EMULATOR_KEY", "secret-key")
    assert load_config(tmp_path, api_key=given).api_key == (given or "secret-key")
    assert "FLASH_EMULATOR_KEY" not in os.environ  # installers run build scripts in it


def test_an_empty_key_in_the_environment_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASH_EMULATOR_KEY", "")
    assert len(load_config(tmp_path).api_key) > 20


def test_a_wrong_key_in_the_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASH_EMULATOR_KEY", "schl\u00fcssel")
    with pytest.raises(SettingsError, match="FLASH_EMULATOR_KEY"):
        load_config(tmp_path)


def record(image: str) -> EndpointRecord:
    container = Container(image=image)
    now = datetime.now(timezone.utc)
    return EndpointRecord("id", "name", "QUEUE", container, RequestCount(1), now)


def test_images_of_ones_own_run_the_flash_runtime_when_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASH_CACHE_DIR", str(tmp_path))
    programs = ProjectPrograms(EmulatorConfig(tmp_path, flash_images=("my/image",)))
    expected = programs.program(record("runpod/flash-cpu"))
    assert programs.program(record("my/image:1")) == expected
    with pytest.raises(NoProgramError, match="'your/image:1'"):
        programs.program(record("your/image:1"))


def test_threads_that_need_the_runtime_first_share_one(tmp_path: Path) -> None:
    threads, rounds = 8, 40
    config = EmulatorConfig(tmp_path)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(rounds):
                programs, start = ProjectPrograms(config), Barrier(threads)

                def first(programs: ProjectPrograms, start: Barrier) -> object:
                    start.wait(10)
                    return programs._hermetic()

                asked = [pool.submit(first, programs, start) for _ in range(threads)]
                assert len({id(each.result(10)) for each in asked}) == 1
    finally:
        sys.setswitchinterval(interval)


def test_nothing_is_installed_once_programs_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASH_CACHE_DIR", str(tmp_path))
    programs = ProjectPrograms(EmulatorConfig(tmp_path))
    programs.close()
    with pytest.raises(SupplyError, match="the emulator is stopping"):
        programs.supply(record("runpod/flash-cpu"), ["no-such-package-anywhere"])


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("runpod/flash", "runpod/flash"),
        ("runpod/flash:py3.12-latest", "runpod/flash"),
        ("docker.io/runpod/flash-cpu:1", "runpod/flash-cpu"),
        ("runpod/flash@sha256:abc", "runpod/flash"),
        ("runpod/flash:1@sha256:abc", "runpod/flash"),
        ("localhost:5000/runpod/flash", "localhost:5000/runpod/flash"),
        ("localhost:5000/x:1", "localhost:5000/x"),
        ("python", "python"),
    ],
)
def test_an_image_is_known_by_its_repository(image: str, name: str) -> None:
    assert repository(image) == name
