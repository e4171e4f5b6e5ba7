"""Official SDKs are kept off the cloud from the moment that they are imported, and not before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flash.sdks import is_official
from tests.support.environment import ROOT, clean_environment
from tests.support.pytest_runs.official_stand_ins import write_standins

KEY = "rpa_exported"
URLS = (
    "RUNPOD_API_BASE_URL",
    "RUNPOD_ENDPOINT_BASE_URL",
    "RUNPOD_REST_API_URL",
    "RUNPOD_HAPI_URL",
    "RUNPOD_CONSOLE_URL",
)
BEFORE = """
import json, os, sys
before = dict(os.environ)

def changed():
    return {name: value for name, value in os.environ.items() if before.get(name) != value}
"""
WATCHED = (
    BEFORE + "from pytest_flash.sdks.import_finder import watch_imports\n"
    "watch_imports(lambda: True)\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_standins(tmp_path)
    return tmp_path


def run(folder: Path, program: str, *, begin: str = WATCHED, **variables: str) -> Any:
    """What ``program`` assigns to ``result``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{begin}\n{program}\nprint(json.dumps(result))"],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(ROOT), **{"RUNPOD_API_KEY": KEY, **variables}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("sdk", ["runpod_flash", "tetra_rp"])
def test_an_sdk_finds_addresses_that_refuse_and_a_key_that_is_none(folder: Path, sdk: str) -> None:
    seen = run(folder, f"import {sdk}; result = {sdk}.SEEN")
    assert seen.pop("RUNPOD_API_KEY") == "pytest-flash-is-not-live"
    assert set(seen) == set(URLS)
    for url in seen.values():
        assert url.startswith(("http://127.0.0.1:1/", "http://[::1]:1/"))


def test_what_is_refused_is_a_connection_to_this_machine(folder: Path) -> None:
    program = (
        "import asyncio, runpod_flash\n"
        "call = runpod_flash.remote(runpod_flash.LiveServerless('x'))(lambda: 1)\n"
        "try: result = str(asyncio.run(call()))\n"
        "except OSError as error: result = type(error.reason).__name__\n"
    )
    assert run(folder, program, HTTP_PROXY="http://192.0.2.1:9") == "ConnectionRefusedError"


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        ({}, {"NO_PROXY": "127.0.0.1,::1"}),
        ({"NO_PROXY": "a.com"}, {"NO_PROXY": "a.com,127.0.0.1,::1"}),
        ({"no_proxy": "a.com"}, {"NO_PROXY": "127.0.0.1,::1", "no_proxy": "a.com,127.0.0.1,::1"}),
        ({"NO_PROXY": "*"}, {}),
    ],
)
def test_no_proxy_gets_what_is_refused(
    folder: Path, proxies: dict[str, str], expected: dict[str, str]
) -> None:
    changed = run(folder, "import runpod_flash; result = changed()", **proxies)
    assert {name: changed[name] for name in changed if name.lower() == "no_proxy"} == expected


@pytest.mark.parametrize(
    "program",
    [
        "import importlib.util; found = importlib.util.find_spec('runpod_flash'); assert found",
        "import importlib.util; assert importlib.util.find_spec('runpod.apps')",
        "import runpod",
        "import runpod, json, runpod as again",
        "import sys; sys.modules.pop('json', None); import json",
    ],
)
def test_nothing_is_set_where_no_sdk_is_imported(folder: Path, program: str) -> None:
    assert run(folder, f"{program}\nresult = changed()") == {}


def test_a_plain_client_is_left_alone(folder: Path) -> None:
    program = "import runpod; result = [runpod.api_key, runpod.endpoint_url_base]"
    assert run(folder, program) == [KEY, "https://api.runpod.ai/v2"]


@pytest.mark.parametrize("order", ["runpod, runpod_flash", "runpod_flash, runpod", "runpod.apps"])
def test_the_client_beneath_an_sdk_forgets_what_it_has_read(folder: Path, order: str) -> None:
    program = f"import {order}\nimport runpod\nresult = [runpod.api_key, runpod.endpoint_url_base]"
    key, url = run(folder, program)
    assert key == "pytest-flash-is-not-live"
    assert url.startswith("http://[::1]:1/")


def test_base_urls_of_an_emulator_stay(folder: Path) -> None:
    urls = dict.fromkeys(URLS, "http://127.0.0.1:4000/x")
    program = "import runpod_flash; result = [changed(), runpod_flash.SEEN['RUNPOD_API_KEY']]"
    assert run(folder, program, **urls) == [{}, KEY]
    del urls["RUNPOD_HAPI_URL"]
    assert set(run(folder, program, **urls)[0]) >= set(URLS)


def test_where_it_does_not_apply_nothing_is_set(folder: Path) -> None:
    begin = WATCHED.replace("lambda: True", "lambda: False")
    program = "import runpod_flash, runpod.apps; result = changed()"
    assert run(folder, program, begin=begin) == {}


def test_a_later_finder_takes_the_place_of_an_earlier_one(folder: Path) -> None:
    program = "watch_imports(lambda: False)\nimport runpod_flash\nresult = changed()"
    assert run(folder, program) == {}


def test_modules_keep_their_own_loaders(folder: Path) -> None:
    program = (
        "import importlib.util, pkgutil\n"
        "found = importlib.util.find_spec('runpod.apps')\n"
        "import runpod.apps, runpod_flash, inspect, importlib\n"
        "modules = (runpod, runpod.apps, runpod_flash)\n"
        "result = [type(each.__loader__).__name__ for each in modules]\n"
        "result += [type(each.__spec__.loader).__name__ for each in modules]\n"
        "result += [found.loader.get_data(found.origin).decode()]\n"
        "result += [pkgutil.get_data('runpod.apps', 'data.txt').decode()]\n"
        "result += [inspect.getsource(runpod.apps)]\n"
        "importlib.reload(runpod_flash)\n"
    )
    source = "from .app import App\n"
    assert run(folder, program) == ["SourceFileLoader"] * 6 + [source, "data", source]


LED = (
    BEFORE
    + """
from pathlib import Path
from pytest_flash.sdks.emulator_host import EmulatorHost
from pytest_flash.sdks.import_finder import watch_imports
from pytest_flash.settings import read_process_environment
urls = "http://127.0.0.1:4000/api", "http://127.0.0.1:4000/queue/v2"
watch_imports(lambda: True, lambda: EmulatorHost.of(*urls, "emulators", Path("state")))
"""
)


@pytest.mark.parametrize("before", ["", "import runpod", "import tetra_rp"])
def test_a_guest_is_led_to_the_emulator(folder: Path, before: str) -> None:
    """Also where its environment led elsewhere, to another emulator say."""
    program = f"""
{before}
import runpod_flash, runpod
result = [runpod_flash.SEEN, runpod.api_key, runpod.endpoint_url_base]
result += [os.environ["FLASH_IS_LIVE_PROVISIONING"], os.environ["RUNPOD_URL_MIXED_OK"]]
result += [read_process_environment().key]
"""
    others = dict.fromkeys(URLS, "http://127.0.0.1:5000")
    seen, key, queues, *flags, ours = run(folder, program, begin=LED, **others)
    assert seen["RUNPOD_API_KEY"] == key == "emulators"
    assert seen["RUNPOD_ENDPOINT_BASE_URL"] == queues == "http://127.0.0.1:4000/queue/v2"
    assert all(seen[name].startswith("http://127.0.0.1:4000") for name in URLS)
    assert flags == ["true", "1"]
    assert ours is None


def test_other_sdks_are_not_led(folder: Path) -> None:
    seen = run(folder, "import tetra_rp; result = tetra_rp.SEEN", begin=LED)
    assert seen["RUNPOD_API_KEY"] == "pytest-flash-is-not-live"


def test_a_guest_is_led_again_where_the_environment_is_brought_back(folder: Path) -> None:
    program = """
from unittest import mock
from pytest_flash.sdks.import_finder import stay_off
with mock.patch.dict(os.environ):
    import runpod_flash
assert os.environ["RUNPOD_API_KEY"] == "rpa_exported"
stay_off()
result = [os.environ["RUNPOD_API_BASE_URL"], os.environ["RUNPOD_API_KEY"]]
"""
    assert run(folder, program, begin=LED) == ["http://127.0.0.1:4000/api", "emulators"]


def test_an_sdk_that_fails_to_import_says_so(folder: Path) -> None:
    (folder / "runpod_flash" / "__init__.py").write_text("import nothing_of_that_name\n")
    program = "try:\n    import runpod_flash\nexcept ImportError as error: result = error.name"
    assert run(folder, program) == "nothing_of_that_name"


def test_what_is_not_installed_is_not_found(folder: Path) -> None:
    program = (
        "import shutil; shutil.rmtree('runpod_flash')\n"
        "try:\n    import runpod_flash\nexcept ModuleNotFoundError as error: result = error.name\n"
    )
    assert run(folder, program) == "runpod_flash"


def test_it_is_a_name_and_what_is_below_it() -> None:
    assert is_official("runpod_flash")
    assert is_official("runpod.apps.dev")
    assert not is_official("runpod")
    assert not is_official("runpod.serverless")
    assert not is_official("runpod_flash_extra")


FUNCTIONS = """
import functools
from runpod_flash import LiveServerless, remote
from runpod.apps import App

gpu = LiveServerless("gpu")

@remote(gpu)
async def named(x): ...

@remote(gpu, local=True)
async def here(x): ...

@remote(gpu)
class Counter:
    def up(self): ...

def make():
    @remote(gpu)
    async def inner(x): ...
    return [inner]

kept = make()

@functools.wraps(named)
async def again(x): ...

shop = App("shop")

@shop.queue("resize")
def resize(image): ...
"""


def test_functions_are_found_wherever_they_stand(folder: Path) -> None:
    (folder / "main.py").write_text(FUNCTIONS)
    program = (
        "import main\n"
        "from pytest_flash.sdks.official_functions import official_functions\n"
        "from pytest_flash.sdks.official_functions import refuse_official_functions\n"
        "result = [[each.name, each.line] for each in official_functions()]\n"
        "try: refuse_official_functions('--live')\n"
        "except Exception as error: result += [type(error).__name__, str(error)]\n"
    )
    *found, kind, text = run(folder, program)
    lines = FUNCTIONS.splitlines()
    assert found == [
        ["main.named", lines.index("@remote(gpu)") + 1],
        ["main.Counter", lines.index("class Counter:")],
        ["main.make.<locals>.inner", lines.index("    @remote(gpu)") + 1],
        ["shop/resize", lines.index('@shop.queue("resize")') + 1],
    ]
    assert kind == "OfficialSdkError"
    assert "runpod_flash and runpod would run functions of this app on Runpod" in text
    assert f"main.named ({folder}/main.py:{found[0][1]})" in text
    assert "--live" in text


def test_an_sdk_that_came_in_earlier_is_refused_without_functions_too(folder: Path) -> None:
    program = (
        "import runpod_flash\n"
        "from pytest_flash.sdks.official_functions import refuse_official_functions\n"
        "try: refuse_official_functions('--live')\n"
        "except Exception as error: result = str(error)\n"
    )
    assert "was imported before" in run(folder, program, begin=BEFORE)
    local = program.replace("try:", "result = None\ntry:")
    assert run(folder, local, begin=BEFORE, **dict.fromkeys(URLS, "http://localhost:4000")) is None
    plain = program.replace("import runpod_flash", "import runpod; result = None")
    assert run(folder, plain, begin=BEFORE) is None


def test_an_environment_that_is_brought_back_lets_no_later_import_out(folder: Path) -> None:
    (folder / "runpod_flash" / "api.py").write_text(
        "import os\nBASE = os.environ.get('RUNPOD_API_BASE_URL')\nimport runpod\n"
    )
    program = """
from unittest import mock
with mock.patch.dict(os.environ):
    import runpod_flash
assert os.environ["RUNPOD_API_KEY"] == "rpa_exported"
import runpod_flash.api, runpod
result = [runpod_flash.api.BASE, runpod.endpoint_url_base, runpod.api_key]
"""
    base, queues, key = run(folder, program, begin=f"import os\n{WATCHED}")
    assert base.startswith("http://127.0.0.1:1/")
    assert queues.startswith("http://[::1]:1/")
    assert key == "pytest-flash-is-not-live"
