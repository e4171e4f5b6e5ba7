"""``flash run`` on what it should not be given: each case has a clear outcome."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.environment import ROOT, clean_environment
from tests.support.flash_run import FlashRun
from tests.support.processes import wait_gone, wait_until

Start = Callable[..., FlashRun]

APP = "from fastapi import FastAPI\napp = FastAPI()\nVALUE = 0\n"
INDEX = "@app.get('/')\ndef index(): return VALUE\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(APP + INDEX)
    return file


def refused(run: FlashRun, *texts: str) -> None:
    """It ends with 1 and says why, without a traceback of its own."""
    assert run.wait() == 1
    for text in texts:
        assert text in run.output
    assert "Traceback" not in run.output


def serves(http: httpx.Client, url: str, value: int) -> None:
    wait_until(lambda: answer(http, url) == value, 20, f"the value {value}")


def answer(http: httpx.Client, url: str) -> object:
    response = http.get(url)
    return response.json() if response.status_code == 200 else None


def test_a_folder_without_an_app(flash_run: Start, tmp_path: Path) -> None:
    refused(flash_run(cwd=tmp_path), "no app in", "main.py, app.py, server.py")


def test_a_module_that_does_not_exist(flash_run: Start, main: Path) -> None:
    run = flash_run("shop.main:app", cwd=main.parent)
    refused(run, "no module 'shop.main' below")
    assert "never retrieved" not in run.output


def test_commands_of_another_user_in_a_folder_above(flash_run: Start, main: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    above = main.parent / "pyproject.toml"
    above.write_text('[tool.flash.emulator.images]\n"an/image" = "sh -c evil"\n')
    os.chown(above, 12345, 12345)
    app = main.parent / "app"
    app.mkdir()
    main.rename(app / "main.py")
    refused(flash_run("--emulator", cwd=app), "images", "belongs to user 12345")


@pytest.mark.parametrize("option", ["--dry-run", "--warm"])
def test_what_goes_with_auto_provision_alone(flash_run: Start, main: Path, option: str) -> None:
    """A dry run that serves would create what is called."""
    run = flash_run(option, cwd=main.parent)
    assert run.wait() == 2
    assert f"{option} goes with --auto-provision" in run.output


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


def test_an_app_dir_that_does_not_exist(flash_run: Start, tmp_path: Path) -> None:
    run = flash_run("--app-dir", str(tmp_path / "nowhere"))
    assert run.wait() == 2
    assert "does not exist" in run.output


def test_an_app_is_found_in_another_folder(
    flash_run: Start, http: httpx.Client, main: Path
) -> None:
    (main.parent / ".env").write_text("COLOUR=blue\n")
    main.write_text(APP + "import os\n" + INDEX.replace("VALUE", "os.environ['COLOUR']"))
    run = flash_run("--app-dir", str(main.parent))
    assert http.get(run.url).json() == "blue"


def test_two_apps(flash_run: Start, main: Path, http: httpx.Client) -> None:
    main.write_text(f"{APP}other = FastAPI()\n")
    run = flash_run(cwd=main.parent)
    run.wait_for("has 2 FastAPI apps")
    assert f"{main}:2: app" in run.output
    assert f"{main}:4: other" in run.output
    main.write_text(APP + INDEX)
    serves(http, run.url, 0)


def test_an_app_that_raises_on_import_in_a_router(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    router = main.parent / "router.py"
    router.write_text("X = 1\n")
    main.write_text(f"{APP}import router\n{INDEX}")
    run = flash_run(cwd=main.parent)
    assert http.get(run.url).status_code == 200

    router.write_text("X = 1 / 0\n")

    wait_until(lambda: http.get(run.url).status_code == 503, 20, "the 503")
    text = http.get(run.url).text
    assert f"{router}:1" in text
    assert "ZeroDivisionError" in text
    page = http.get(run.url, headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "ZeroDivisionError" in page.text
    assert page.headers["X-Flash-Generation"] == "2"


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_out_of_range(flash_run: Start, main: Path, port: str) -> None:
    refused(flash_run("--port", port, cwd=main.parent), f"port '{port}'", "0 to 65535")


def test_a_port_that_needs_privileges() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("this system gives every port to everyone")
    program = (
        "import os, sys\nfrom pytest_flash.runner.sockets import listen\n"
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
        timeout=30,
        check=True,
    )
    assert done.stdout.startswith("ServerError port 80 needs privileges")
    assert "1024" in done.stdout


def test_a_host_that_does_not_resolve(flash_run: Start, main: Path) -> None:
    run = flash_run("--host", "nowhere.invalid", cwd=main.parent)
    refused(run, "nowhere.invalid", "--host")


def test_a_host_for_all_machines_exposes_the_app_alone(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    run = flash_run("--host", "0.0.0.0", cwd=main.parent)
    assert http.get(run.url).json() == 0
    assert "can be reached from other machines" in run.output
    assert "127.0.0.1" in run.output
    tree = {process.pid for process in run.tree()}
    assert open_to_all(tree) == {httpx.URL(run.url).port}


def open_to_all(pids: set[int]) -> set[int]:
    """The ports on which these processes listen for other machines."""
    inodes = {
        str(entry.readlink()).removeprefix("socket:[").removesuffix("]")
        for pid in pids
        for entry in Path(f"/proc/{pid}/fd").iterdir()
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            listens, local = fields[3] == "0A", address in ("0100007F", f"{1 << 24:032X}")
            if listens and not local and fields[9] in inodes:
                found.add(int(port, 16))
    return found


def test_the_default_port_gives_way_and_says_so(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    from pytest_flash.errors import PortTakenError
    from pytest_flash.runner.sockets import listen

    try:
        taken = listen("localhost", 8888)
    except PortTakenError:
        taken = None  # Somebody else has it: as good.
    try:
        run = flash_run(any_port=False, cwd=main.parent)
        assert http.get(run.url).json() == 0
    finally:
        if taken is not None:
            taken.close()
    port = httpx.URL(run.url).port
    assert port != 8888
    assert f"port 8888 is taken, so the app is on {port}" in run.output


def test_an_unreadable_dotenv(flash_run: Start, main: Path) -> None:
    (main.parent / ".env").write_bytes(b"\xff\xfe\xff")
    refused(flash_run(cwd=main.parent), str(main.parent / ".env"), "cannot be read")


def test_a_dotenv_with_a_broken_line(flash_run: Start, main: Path, http: httpx.Client) -> None:
    dotenv = main.parent / ".env"
    dotenv.write_text("GOOD=1\nthis is broken\n")
    refused(flash_run(cwd=main.parent), f"{dotenv}:2")


def test_a_dotenv_that_breaks_while_serving(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    dotenv = main.parent / ".env"
    dotenv.write_text("GOOD=1\n")
    run = flash_run(cwd=main.parent)
    assert http.get(run.url).status_code == 200
    dotenv.write_text("GOOD=1\nthis is broken\n")
    wait_until(lambda: http.get(run.url).status_code == 503, 20, "the 503")
    assert f"{dotenv}:2" in http.get(run.url).text
    dotenv.write_text("GOOD=1\n")
    serves(http, run.url, 0)


def test_a_file_that_is_removed_and_comes_back(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    part = main.parent / "part.py"
    part.write_text("VALUE = 5\n")
    main.write_text(f"{APP}from part import VALUE\n{INDEX}")
    run = flash_run(cwd=main.parent)
    serves(http, run.url, 5)
    part.unlink()
    wait_until(lambda: http.get(run.url).status_code == 503, 20, "the 503")
    assert "part" in http.get(run.url).text
    part.write_text("VALUE = 6\n")
    serves(http, run.url, 6)


def test_a_file_that_is_written_in_two_steps_is_never_seen_half(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    run = flash_run(cwd=main.parent)
    serves(http, run.url, 0)
    for value in range(1, 6):
        with main.open("w") as file:
            file.write(APP.replace("VALUE = 0", f"VALUE = {value} + ("))
            file.flush()
            file.write(f"0)\n{INDEX}")
        statuses: set[int] = set()

        def arrived(value: int = value, statuses: set[int] = statuses) -> bool:
            response = http.get(run.url)
            statuses.add(response.status_code)
            return response.status_code == 200 and response.json() == value

        wait_until(arrived, 20, f"the value {value}")
        assert statuses == {200}


def test_a_thousand_files_at_once(flash_run: Start, main: Path, http: httpx.Client) -> None:
    many = main.parent / "many"
    many.mkdir()
    (many / "__init__.py").touch()
    for number in range(1000):
        (many / f"part{number}.py").write_text("VALUE = 1\n")
    main.write_text(f"{APP}from many.part999 import VALUE\n{INDEX}")
    run = flash_run(cwd=main.parent)
    serves(http, run.url, 1)
    for number in range(1000):
        (many / f"part{number}.py").write_text("VALUE = 2\n")
    serves(http, run.url, 2)
    assert http.get(run.url).status_code == 200


def test_an_app_that_blocks_its_event_loop_for_ever(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    main.write_text(
        f"{APP}{INDEX}@app.get('/block')\nasync def block():\n"
        "    import time\n    print('blocked', flush=True)\n    time.sleep(600)\n"
    )
    run = flash_run(cwd=main.parent)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.5, trust_env=False) as brief:
        brief.get(f"{run.url}/block")
    run.wait_for("blocked")
    main.write_text(APP.replace("VALUE = 0", "VALUE = 1") + INDEX)
    serves(http, run.url, 1)


def test_an_app_that_starts_threads_and_subprocesses(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    main.write_text(
        f"{APP}import subprocess, sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "CHILD = subprocess.Popen(['sleep', '600'])\n" + INDEX.replace("VALUE", "CHILD.pid")
    )
    run = flash_run(cwd=main.parent)
    first = http.get(run.url).json()
    (sleeping,) = [each for each in run.tree() if each.pid == first]
    main.write_text(main.read_text() + "\n")
    wait_until(lambda: http.get(run.url).json() != first, 20, "the new code")
    wait_gone({sleeping}, 20)

    tree = run.tree()
    run.process.terminate()
    assert run.wait(10) == 0
    wait_gone(tree, 3)


def test_an_app_that_ends_its_process(flash_run: Start, main: Path, http: httpx.Client) -> None:
    main.write_text(
        f"{APP}{INDEX}@app.get('/exit')\nasync def leave():\n    import os\n    os._exit(7)\n"
    )
    run = flash_run(cwd=main.parent)
    with pytest.raises(httpx.TransportError):
        http.get(f"{run.url}/exit")
    wait_until(lambda: http.get(run.url).status_code == 503, 20, "the 503")
    assert "exited with code 7" in http.get(run.url).text
    main.write_text(APP + INDEX)
    serves(http, run.url, 0)


def test_an_app_that_ends_its_process_without_reload(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    main.write_text(
        f"{APP}{INDEX}@app.get('/exit')\nasync def leave():\n    import os\n    os._exit(7)\n"
    )
    run = flash_run("--no-reload", cwd=main.parent)
    with pytest.raises(httpx.TransportError):
        http.get(f"{run.url}/exit")
    assert run.wait(10) == 7
    assert "exit code 7" in run.output


def test_an_app_that_calls_sys_exit_while_it_is_imported(
    flash_run: Start, main: Path, http: httpx.Client
) -> None:
    main.write_text(f"{APP}import sys\nsys.exit(4)\n")
    run = flash_run(cwd=main.parent)
    run.wait_for("calls sys.exit")
    assert f"{main}:5" in run.output
    main.write_text(APP + INDEX)
    serves(http, run.url, 0)


def test_a_lifespan_that_hangs(flash_run: Start, main: Path, http: httpx.Client) -> None:
    main.write_text(
        "import asyncio, contextlib\nfrom fastapi import FastAPI\n"
        "@contextlib.asynccontextmanager\nasync def life(app):\n    print('hangs', flush=True)\n"
        "    await asyncio.sleep(600)\n    yield\napp = FastAPI(lifespan=life)\n"
    )
    run = flash_run(cwd=main.parent)
    run.wait_for("hangs")
    run.wait_for("has not started")
    main.write_text(APP + INDEX)
    serves(http, run.url, 0)


def test_a_lifespan_that_hangs_at_its_end(flash_run: Start, main: Path, http: httpx.Client) -> None:
    main.write_text(
        "import asyncio, contextlib\nfrom fastapi import FastAPI\n"
        "@contextlib.asynccontextmanager\nasync def life(app):\n    yield\n"
        "    await asyncio.sleep(600)\napp = FastAPI(lifespan=life)\nVALUE = 0\n" + INDEX
    )
    run = flash_run(cwd=main.parent)
    serves(http, run.url, 0)
    main.write_text(main.read_text().replace("VALUE = 0", "VALUE = 1"))
    serves(http, run.url, 1)
    tree = run.tree()
    run.process.terminate()
    assert run.wait(10) == 0
    wait_gone(tree, 3)
