"""What ``flash run`` refuses before it serves anything: which exit code, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT, clean_environment
from tests.support.runs.command import Ended, RunCommand


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    return file


def refused(ended: Ended, *texts: str) -> None:
    """It ended with 1 and said why, without a traceback of its own."""
    assert ended.code == 1
    assert ended.errors.startswith("flash: ")
    for text in texts:
        assert text in ended.errors
    assert "Traceback" not in ended.output + ended.errors


def test_a_folder_without_an_app(flash: RunCommand, tmp_path: Path) -> None:
    refused(flash("run", cwd=tmp_path), "no app in", "main.py, app.py, api.py")


@pytest.mark.parametrize("option", ["--dry-run", "--warm"])
def test_what_goes_with_auto_provision_alone(flash: RunCommand, main: Path, option: str) -> None:
    """A dry run that serves would create what is called."""
    ended = flash("run", option, cwd=main.parent)
    assert ended.code == 2
    assert f"{option} goes with --auto-provision" in ended.errors


def test_a_closed_standard_output(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "flash_cli", "run"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("flash: no app in")


def test_an_app_dir_that_does_not_exist(flash: RunCommand, tmp_path: Path) -> None:
    ended = flash("run", "--app-dir", str(tmp_path / "nowhere"))
    assert ended.code == 2
    assert "does not exist" in ended.errors


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_out_of_range(flash: RunCommand, main: Path, port: str) -> None:
    ended = flash("run", "--port", port, cwd=main.parent)
    refused(ended, f"port '{port}'", "0 to 65535")


def test_a_port_that_needs_privileges() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("this system gives every port to everyone")
    program = (
        "import os, sys\nfrom pytest_flash.runner.serving.listening_sockets import listen\n"
        "'loaded while it may be read'.encode('idna')\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: listen('127.0.0.1', 80)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("ServerError port 80 needs privileges")
    assert "1024" in done.stdout


def test_a_host_that_does_not_resolve(flash: RunCommand, main: Path) -> None:
    ended = flash("run", "--port", "0", "--host", "nowhere.invalid", cwd=main.parent)
    refused(ended, "nowhere.invalid", "--host")


def test_an_invalid_console_path_is_refused(flash: RunCommand, main: Path) -> None:
    ended = flash("run", "--port", "0", "--console-path", "/", cwd=main.parent)
    refused(ended, "console path '/'")


def test_an_unreadable_dotenv(flash: RunCommand, main: Path) -> None:
    (main.parent / ".env").write_bytes(b"\xff\xfe\xff")
    refused(flash("run", cwd=main.parent), str(main.parent / ".env"), "cannot be read")


def test_a_dotenv_with_a_broken_line(flash: RunCommand, main: Path) -> None:
    dotenv = main.parent / ".env"
    dotenv.write_text("GOOD=1\nthis is broken\n")
    refused(flash("run", cwd=main.parent), f"{dotenv}:2")


@pytest.mark.parametrize("url", ["nonsense", "localhost:8888", "ftp://localhost", "http://:80"])
def test_waiting_at_what_is_not_a_url_is_refused_at_once(flash: RunCommand, url: str) -> None:
    refused(flash("wait", url, "--timeout", "600"), repr(url), "http://localhost:8888")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("wait", "http://localhost", "--port", "80"), "give one of them"),
        (("run", "--json"), "--json goes with --dry-run"),
        (("undeploy", "--all", "--json"), "flash undeploy list --json"),
    ],
)
def test_options_that_do_not_go_together(
    flash: RunCommand, arguments: tuple[str, ...], text: str
) -> None:
    ended = flash(*arguments)
    assert ended.code == 2
    assert text in ended.errors


def test_a_mistyped_attribute_ends_the_command(flash: RunCommand, main: Path) -> None:
    ended = flash("run", "main:application", "--port", "0", cwd=main.parent)
    assert ended.code == 1
    assert "has no attribute 'application'; it has app" in ended.output


@pytest.mark.parametrize("option", ["--live", "--auto-provision"])
def test_in_process_with_what_needs_endpoints(flash: RunCommand, main: Path, option: str) -> None:
    ended = flash("run", "--in-process", option, cwd=main.parent)
    assert ended.code == 2
    assert f"--in-process runs nothing on endpoints; leave out {option}" in ended.errors
