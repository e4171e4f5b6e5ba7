"""``flash run`` on the quickstart, as a newcomer uses it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.environment import QUICKSTART
from tests.support.flash_run import FlashRun
from tests.support.processes import wait_gone, wait_until

Start = Callable[..., FlashRun]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the quickstart to change."""
    folder = tmp_path / "quickstart"
    shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns("__pycache__", ".env"))
    return folder


def test_the_quickstart_runs_functions_in_worker_processes(
    flash_run: Start, http: httpx.Client
) -> None:
    run = flash_run("docs/quickstart")

    assert http.get(f"{run.url}/").status_code == 200
    body = http.post(f"{run.url}/process", json={"data": "test input"}).json()

    assert body["cpu"]["text"] == "test input"
    assert body["gpu"]["letters"] == 9
    pids = {body["server_pid"], body["cpu"]["worker_pid"], body["gpu"]["worker_pid"]}
    assert len(pids) == 3
    assert pids <= {process.pid for process in run.tree()}


def test_the_first_lines_say_where_functions_run_and_why(flash_run: Start) -> None:
    run = flash_run("docs/quickstart")
    run.wait_for(" at http://")
    first = run.output.splitlines()[:2]
    assert "the embedded Runpod" in first[0]
    assert "no RUNPOD_API_KEY" in first[0]
    assert "set RUNPOD_API_KEY" in first[1]


def test_endpoints_can_be_provisioned_before_serving(flash_run: Start, project: Path) -> None:
    run = flash_run("--auto-provision", cwd=project)
    run.wait_for(" at http://")
    before = run.output.partition(" at http://")[0]
    assert "live-quickstart-gpu created" in before
    assert "live-quickstart-cpu created" in before


def test_a_save_brings_up_the_new_code_and_keeps_the_workers(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    run = flash_run(cwd=project)
    before = http.post(f"{run.url}/process", json={"data": "x"}).json()

    main = project / "main.py"
    main.write_text(main.read_text().replace("POST some data", "Give some data"))
    wait_until(lambda: "Give" in http.get(f"{run.url}/").json()["message"], 20, "the new answer")

    after = http.post(f"{run.url}/process", json={"data": "x"}).json()
    assert after["server_pid"] != before["server_pid"]
    assert after["gpu"]["worker_pid"] == before["gpu"]["worker_pid"]


def test_a_same_size_save_within_a_second_is_not_mistaken_for_the_old_code(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    main = project / "main.py"
    main.write_text(
        "from fastapi import FastAPI\nimport part\napp = FastAPI()\n"
        "@app.get('/')\ndef index(): return part.VALUE\n"
    )
    part = project / "part.py"
    part.write_text("VALUE = 100\n")
    run = flash_run(cwd=project)
    assert http.get(f"{run.url}/").json() == 100
    stamp = part.stat()

    part.write_text("VALUE = 200\n")
    os.utime(part, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    wait_until(lambda: http.get(f"{run.url}/").json() == 200, 20, "the new value")


def test_broken_code_is_shown_and_answered_with_503_until_it_is_mended(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    run = flash_run(cwd=project)
    main = project / "main.py"
    good = main.read_text()
    assert http.get(f"{run.url}/").status_code == 200

    main.write_text(good + "\nsurprise!\n")
    wait_until(lambda: http.get(f"{run.url}/").status_code == 503, 20, "the 503")
    answer = http.get(f"{run.url}/").text
    assert f"{main}:{len(good.splitlines()) + 2}" in answer
    assert "SyntaxError" in answer
    assert answer.splitlines()[0] in run.output

    main.write_text(good)
    wait_until(lambda: http.get(f"{run.url}/").status_code == 200, 20, "the recovery")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x = 1\n", "app = FastAPI()"),
        ("from fastapi import FastAPI\na = FastAPI()\nb = FastAPI()\n", "main.py:3: b"),
        ("import nowhere_to_be_found\n", "main.py:1"),
        (
            "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
            "@asynccontextmanager\nasync def life(app):\n    raise OSError('no disk')\n    yield\n"
            "app = FastAPI(lifespan=life)\n",
            "no disk",
        ),
    ],
)
def test_an_app_that_cannot_start_ends_with_1_and_its_line(
    flash_run: Start, tmp_path: Path, source: str, text: str
) -> None:
    (tmp_path / "main.py").write_text(source)
    run = flash_run("--no-reload", cwd=tmp_path)
    assert run.wait() == 1
    assert text in run.output


def test_a_first_start_with_broken_code_waits_for_a_good_save(
    flash_run: Start, http: httpx.Client, tmp_path: Path
) -> None:
    main = tmp_path / "main.py"
    main.write_text("import nowhere_to_be_found\n")
    run = flash_run(cwd=tmp_path)
    run.wait_for("until a file is saved")
    url = "http://" + run.output.partition("http://")[2].split()[0]
    answer = http.get(url)
    assert answer.status_code == 503
    assert "main.py:1" in answer.text
    assert answer.headers["X-Flash-Generation"] == "1"

    main.write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    wait_until(lambda: http.get(f"{url}/docs").status_code == 200, 20, "the recovery")


@pytest.mark.parametrize("arguments", [(), ("nowhere",)])
def test_no_app_ends_with_1_and_the_next_step(
    flash_run: Start, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    run = flash_run(*arguments, cwd=tmp_path)
    assert run.wait() == 1
    assert "module:a" in run.output
    assert "Traceback" not in run.output


def test_a_port_that_was_asked_for_and_is_busy_is_refused(flash_run: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = flash_run("docs/quickstart", "--port", str(port))
        assert run.wait() == 1
    assert f"port {port}" in run.output
    assert "--port" in run.output


def test_host_and_port_variables_are_honoured(flash_run: Start, http: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {"FLASH_HOST": "127.0.0.1", "FLASH_PORT": str(port)}
    run = flash_run("docs/quickstart", any_port=False, **variables)
    assert run.url == f"http://127.0.0.1:{port}"
    assert http.get(run.url).status_code == 200


@pytest.mark.parametrize("port", ["many", "-1", "65536", "80 80"])
def test_a_port_variable_that_is_no_port_is_named(flash_run: Start, port: str) -> None:
    run = flash_run("docs/quickstart", any_port=False, FLASH_PORT=port)
    assert run.wait() == 1
    assert f"port {port!r} (FLASH_PORT, environment)" in run.output


@pytest.mark.parametrize("app", ["docs/quickstart/main.py", "docs/quickstart/main.py:app"])
def test_the_app_can_be_a_file(flash_run: Start, http: httpx.Client, app: str) -> None:
    assert http.get(flash_run(app).url).status_code == 200


def test_the_app_can_be_a_module(flash_run: Start, http: httpx.Client, project: Path) -> None:
    assert http.get(flash_run("main:app", cwd=project).url).status_code == 200


def test_dotenv_reaches_the_app_and_gives_way_to_the_environment(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    (project / ".env").write_text("FIRST=file\nSECOND=file\n")
    (project / "main.py").write_text(
        "import os\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/')\ndef index(): return [os.environ['FIRST'], os.environ['SECOND']]\n"
    )
    run = flash_run(cwd=project, SECOND="shell")
    assert http.get(f"{run.url}/").json() == ["file", "shell"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_every_end_leaves_no_process(
    flash_run: Start, http: httpx.Client, number: signal.Signals, code: int
) -> None:
    run = flash_run("docs/quickstart")
    assert http.post(f"{run.url}/process", json={"data": "x"}).status_code == 200
    tree = run.tree()
    assert len(tree) >= 5  # The command, the app, the emulator and two workers.

    run.process.send_signal(number)

    assert run.wait(3) == code
    wait_gone(tree, 3)


def test_ctrl_c_in_a_terminal_reaches_the_whole_group(flash_run: Start, http: httpx.Client) -> None:
    run = flash_run("docs/quickstart")
    assert http.post(f"{run.url}/process", json={"data": "x"}).status_code == 200
    tree = run.tree()

    os.killpg(run.process.pid, signal.SIGINT)

    assert run.wait(3) == 130
    wait_gone(tree, 3)
    assert "Traceback" not in run.output


def test_ctrl_c_does_not_wait_for_a_hung_request(
    flash_run: Start, http: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(
        "import time\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/')\nasync def index():\n    print('hung', flush=True)\n    time.sleep(600)\n"
    )
    run = flash_run(cwd=tmp_path)
    with pytest.raises(httpx.TransportError), httpx.Client(timeout=0.5, trust_env=False) as brief:
        brief.get(run.url)
    run.wait_for("hung")
    tree = run.tree()

    run.process.send_signal(signal.SIGINT)

    assert run.wait(5) == 130
    wait_gone(tree, 3)


def test_with_a_key_a_test_run_cannot_reach_the_cloud_through_flash_run(
    flash_run: Start,
) -> None:
    run = flash_run("docs/quickstart", RUNPOD_API_KEY="k", PYTEST_VERSION="9.0")
    assert run.wait() == 1
    assert "--emulator" in run.output


def test_no_request_is_lost_while_reloading(flash_run: Start, project: Path) -> None:
    main = project / "main.py"
    main.write_text(
        "from fastapi import FastAPI\napp = FastAPI()\nVALUE = 0\n"
        "@app.get('/')\ndef index(): return VALUE\n"
    )
    run = flash_run(cwd=project)
    url = run.url
    seen: list[int] = []
    for value in range(1, 4):
        main.write_text(main.read_text().replace(f"VALUE = {value - 1}", f"VALUE = {value}"))
        deadline = time.monotonic() + 20
        while not seen or seen[-1] != value:
            seen.append(httpx.get(url, timeout=20, trust_env=False).raise_for_status().json())
            assert time.monotonic() < deadline
    assert seen == sorted(seen)


def test_a_lifespan_that_breaks_while_reloading_is_shown_until_it_is_mended(
    flash_run: Start, http: httpx.Client, project: Path
) -> None:
    main = project / "main.py"
    good = main.read_text()
    run = flash_run(cwd=project)
    assert http.get(f"{run.url}/").status_code == 200

    main.write_text(
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def life(app):\n    raise OSError('no disk')\n    yield\n"
        "app = FastAPI(lifespan=life)\n"
    )
    wait_until(lambda: http.get(f"{run.url}/").status_code == 503, 20, "the 503")
    assert "no disk" in http.get(f"{run.url}/").text

    main.write_text(good)
    wait_until(lambda: http.get(f"{run.url}/").status_code == 200, 20, "the recovery")


def test_a_closed_standard_input_is_no_trouble(flash_run: Start, http: httpx.Client) -> None:
    run = flash_run("docs/quickstart", closed_stdin=True)
    assert http.get(run.url).status_code == 200
    run.process.send_signal(signal.SIGINT)
    assert run.wait(5) == 130
    assert "Assertion" not in run.output


def test_the_answer_goes_to_the_question_that_was_put_last(
    flash_run: Start, variables: dict[str, str], tmp_path: Path
) -> None:
    """A save while it waits brings up new code, which asks again."""
    main = tmp_path / "main.py"
    main.write_text(
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        "app = FastAPI()\n"
        + "".join(f"@remote(LiveServerless(name='n{n}'))\ndef f{n}(): pass\n" for n in range(6))
    )
    run = flash_run("--auto-provision", cwd=tmp_path, terminal=True, **variables)
    run.wait_for("Create them?")
    main.write_text(main.read_text() + "\n")
    wait_until(lambda: run.output.count("Create them?") == 2, 30, "the second question")

    run.type("y\n")

    run.wait_for("n5 created")


def test_ctrl_c_at_a_question_ends_the_command(
    flash_run: Start, variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        "app = FastAPI()\n"
        + "".join(f"@remote(LiveServerless(name='m{n}'))\ndef f{n}(): pass\n" for n in range(6))
    )
    run = flash_run("--auto-provision", cwd=tmp_path, terminal=True, **variables)
    run.wait_for("Create them?")
    tree = run.tree()
    run.process.send_signal(signal.SIGINT)
    assert run.wait(5) == 130
    wait_gone(tree, 3)


def test_an_emulator_that_dies_ends_the_command_with_its_reason(
    flash_run: Start, http: httpx.Client
) -> None:
    run = flash_run("docs/quickstart")
    assert http.get(run.url).status_code == 200
    tree = run.tree()
    (emulator,) = [each for each in tree if "pytest_flash.emulator" in each.command]

    os.kill(emulator.pid, signal.SIGKILL)

    assert run.wait(5) == 1
    assert "SIGKILL" in run.output
    wait_gone(tree, 3)
