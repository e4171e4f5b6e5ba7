"""Programs for workers and packages for them, with real installers and no network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_flash.emulator.packages.hermetic import DependencyError, Hermetic, default_cache
from pytest_flash.emulator.packages.installed_folders import Overlays
from pytest_flash.emulator.packages.installer import Installer
from pytest_flash.emulator.packages.requirements import Dependency
from pytest_flash.errors import EmulatorError
from tests.emulator.worker.platform import wait_for
from tests.emulator.worker.wheels import install, make_editable, make_project, make_wheel
from tests.support.environment import ROOT
from tests.support.system.processes import Process, descendants, wait_gone

SLOW = "import pathlib, time; pathlib.Path({marker!r}).touch(); time.sleep(60)"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is the installer's only source, as the user may configure it."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What the user has installed, beside what this test run needs."""
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def user(tmp_path: Path, site: Path) -> Iterator[Hermetic]:
    hermetic = Hermetic(tmp_path / "cache", search_path=[str(site), *sys.path])
    yield hermetic
    hermetic.close()


def run(program: tuple[str, ...], paths: tuple[str, ...], code: str) -> str:
    """What code prints in the worker's interpreter with these folders on its path."""
    script = f"import sys; sys.path += {[*paths]!r}; {code}"
    command = [program[0], "-I", "-S", "-B", "-c", script]
    return subprocess.check_output(command, text=True, timeout=20).strip()


def python(hermetic: Hermetic) -> tuple[str, ...]:
    return hermetic.program(preinstalled=()).argv


def test_a_satisfied_requirement_is_linked_and_nothing_is_installed(
    user: Hermetic, site: Path, index: Path
) -> None:
    install(site, make_wheel(site.parent, "tool", "1.2", requires=["helper"]))
    install(site, make_wheel(site.parent, "helper"))
    provided = user.provide(["tool>=1"], preinstalled=())
    assert provided.notes == ""
    assert run(python(user), provided.paths, "import tool, helper; print(tool.VERSION)") == "1.2"
    assert not (site.parent / "cache" / "overlays").exists()


def test_what_the_image_brings_is_in_the_program_when_it_is_installed_here(
    user: Hermetic, site: Path
) -> None:
    install(site, make_wheel(site.parent, "torchlike", requires=["helper"]))
    install(site, make_wheel(site.parent, "helper"))
    install(site, make_wheel(site.parent, "broken", requires=["absent"]))
    brought = ("torchlike>=0.5", "broken", "not-here")
    program = user.program(preinstalled=brought).argv
    (farm,) = json.loads(program[-1])["paths"]
    names = {entry.name for entry in Path(farm).iterdir()}
    assert {"torchlike", "helper", "cloudpickle"} <= names
    assert "broken" not in names
    assert user.provide(["helper"], preinstalled=brought).paths == ()


def test_a_requirement_that_is_not_satisfied_installs_the_whole_set(
    user: Hermetic, site: Path, index: Path
) -> None:
    install(site, make_wheel(site.parent, "tool", "1.0"))
    make_wheel(index, "tool", "1.1")
    make_wheel(index, "other", requires=["tool"])
    provided = user.provide(["tool>=1.1", "other"], preinstalled=())
    code = "import other, tool; print(other.VERSION, tool.VERSION)"
    assert run(python(user), provided.paths, code) == "1.0 1.1"
    assert list(Path(provided.paths[0]).glob("other/__pycache__/*.pyc"))


def test_an_installed_set_is_used_again_whatever_its_order(user: Hermetic, index: Path) -> None:
    make_wheel(index, "one")
    make_wheel(index, "two")
    first = user.provide(["one", "two>=1,<2"], preinstalled=())
    for wheel in index.iterdir():
        wheel.unlink()
    assert user.provide(["Two<2,>=1", "one"], preinstalled=()) == first


def test_an_upgrade_in_the_users_environment_is_followed(user: Hermetic, site: Path) -> None:
    info = install(site, make_wheel(site.parent, "tool", "1.0"))
    code = "from importlib.metadata import version; print(version('tool'))"
    assert run(python(user), user.provide(["tool"], preinstalled=()).paths, code) == "1.0"
    info.rename(site.parent / "gone")
    install(site, make_wheel(site.parent, "tool", "2.0"))
    assert run(python(user), user.provide(["tool"], preinstalled=()).paths, code) == "2.0"


def test_editable_distributions_and_pth_files_are_noted(
    user: Hermetic, site: Path, index: Path
) -> None:
    make_editable(install(site, make_wheel(site.parent, "mine")))
    make_wheel(index, "mine", files={"mine.pth": "import sys\n", "mine.py": ""})
    provided = user.provide(["mine"], preinstalled=())
    assert provided.notes == (
        "mine is installed in editable mode here: installed anew for workers\n"
        "mine.pth of the declared packages has no effect: workers process no .pth files\n"
    )
    assert "overlays" in provided.paths[0]


def test_a_url_goes_to_the_installer_as_it_is(user: Hermetic, tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(tmp_path / "elsewhere", "direct")
    provided = user.provide([f"direct @ {wheel.as_uri()}"], preinstalled=())
    assert run(python(user), provided.paths, "import direct; print(direct.VERSION)") == "1.0"


def test_a_changed_local_project_is_installed_again(
    user: Hermetic, tmp_path: Path, index: Path
) -> None:
    wheel = make_wheel(tmp_path / "elsewhere", "direct")
    before = user.provide([str(wheel)], preinstalled=()).paths
    os.utime(wheel, (1, 1))
    assert user.provide([str(wheel)], preinstalled=()).paths != before


def has_uv() -> bool:
    return shutil.which("uv") is not None or Path(sys.executable).with_name("uv").exists()


@pytest.mark.skipif(not has_uv(), reason="needs uv")
def test_uv_is_preferred_and_compiles(
    user: Hermetic, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "thing")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    provided = user.provide(["thing"], preinstalled=())
    assert run(python(user), provided.paths, "import thing; print(thing.VERSION)") == "1.0"
    assert list(Path(provided.paths[0]).glob("thing/__pycache__/*.pyc"))
    with pytest.raises(DependencyError, match="absent was not found"):
        user.provide(["absent"], preinstalled=())


@pytest.mark.skipif(Path(sys.executable).with_name("uv").exists(), reason="uv is installed")
def test_without_any_installer_the_remedy_is_named(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if each.name != "pip":
            (packages / each.name).symlink_to(each)
    script = (
        f"import sys, pathlib; sys.path += [{str(ROOT)!r}, {str(packages)!r}]\n"
        "from pytest_flash.emulator.packages.hermetic import Hermetic\n"
        f"Hermetic(pathlib.Path({str(tmp_path)!r})).provide(['absent'], preinstalled=())"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "DependencyError: there is neither uv nor pip" in ended.stderr
    assert "Install uv, or pip into this environment" in ended.stderr


def test_an_excluded_requirement_needs_nothing(user: Hermetic, index: Path) -> None:
    assert user.provide(["absent; python_version < '3'"], preinstalled=()).paths == ()


def test_a_failing_install_gives_the_installers_words_and_is_tried_again(
    user: Hermetic, tmp_path: Path, index: Path
) -> None:
    with pytest.raises(DependencyError, match="No matching distribution found for absent"):
        user.provide(["absent"], preinstalled=())
    overlays = tmp_path / "cache" / "overlays"
    assert not [entry for entry in overlays.iterdir() if entry.is_dir()]
    make_wheel(index, "absent")
    provided = user.provide(["absent"], preinstalled=())
    assert run(python(user), provided.paths, "import absent; print(absent.VERSION)") == "1.0"


def test_long_words_of_an_installer_are_cut_to_the_last_lines(
    user: Hermetic, tmp_path: Path, index: Path
) -> None:
    project = make_project(
        tmp_path / "loud", "for n in range(300): print('line', n)\nraise ValueError('it broke')"
    )
    with pytest.raises(DependencyError, match="it broke") as caught:
        user.provide([str(project)], preinstalled=())
    assert len(str(caught.value).splitlines()) <= 40


def test_runpods_key_does_not_reach_build_scripts(
    user: Hermetic, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "secret-key")
    project = make_project(tmp_path / "nosy", "import os; raise ValueError(sorted(os.environ))")
    with pytest.raises(DependencyError, match="PIP_NO_INDEX") as caught:
        user.provide([str(project)], preinstalled=())
    assert "RUNPOD" not in str(caught.value)


def test_processes_and_threads_that_ask_at_once_get_one_installation(
    user: Hermetic, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "wanted")
    monkeypatch.setenv("PIP_LOG", str(tmp_path / "pip.log"))
    script = (
        "import sys, pathlib; from pytest_flash.emulator.packages.hermetic import Hermetic\n"
        f"hermetic = Hermetic(pathlib.Path({str(tmp_path / 'cache')!r}))\n"
        "print(hermetic.provide(['wanted'], preinstalled=()).paths[0])"
    )

    def in_process() -> str:
        return subprocess.check_output([sys.executable, "-c", script], text=True, timeout=60)

    def in_thread() -> str:
        return user.provide(["wanted"], preinstalled=()).paths[0] + "\n"

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for ask in (in_process, in_thread, in_process, in_thread)]
        folders = {each.result(60) for each in asked}
    assert len(folders) == 1
    assert (tmp_path / "pip.log").read_text().count("Successfully installed wanted") == 1


def slow_project(tmp_path: Path) -> tuple[Path, Path]:
    marker = tmp_path / "building"
    return make_project(tmp_path / "slow", SLOW.format(marker=str(marker))), marker


def test_the_installer_dies_with_the_emulator(tmp_path: Path, index: Path) -> None:
    project, marker = slow_project(tmp_path)
    script = (
        "import pathlib; from pytest_flash.emulator.packages.hermetic import Hermetic\n"
        f"hermetic = Hermetic(pathlib.Path({str(tmp_path / 'cache')!r}))\n"
        f"hermetic.provide([{str(project)!r}], preinstalled=())"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as emulator:
        wait_for(marker.exists, 20)
        family = descendants(emulator.pid)
        assert len(family) > 2
        emulator.send_signal(signal.SIGKILL)
        emulator.wait(30)
    wait_gone(family, 30)


def installers() -> set[Process]:
    return {each for each in descendants(os.getpid()) if "lifeline.py" in each.command}


def test_closing_ends_installations(user: Hermetic, tmp_path: Path, index: Path) -> None:
    project, marker = slow_project(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(user.provide, [str(project)], preinstalled=())
        wait_for(marker.exists, 20)
        running = installers()
        assert running
        user.close()
        with pytest.raises(DependencyError, match="the emulator is stopping"):
            asked.result(5)
    wait_gone(running, 30)
    with pytest.raises(DependencyError, match="the emulator is stopping"):
        user.provide(["anything"], preinstalled=())


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[[Path, float], Path]]:
    """Install a project under a deadline in seconds."""
    installer = Installer()

    def build(project: Path, deadline: float) -> Path:
        overlays = Overlays(tmp_path / "overlays", installer, deadline=deadline)
        return overlays.build([Dependency.parse(str(project))], python=Path(sys.executable))

    yield build
    installer.close()


def test_an_install_that_takes_too_long_is_ended(
    build: Callable[[Path, float], Path], tmp_path: Path, index: Path
) -> None:
    project, _ = slow_project(tmp_path)
    with pytest.raises(DependencyError, match="the installer was ended: it took more than"):
        build(project, 0.5)
    assert not installers()
    assert not [entry for entry in (tmp_path / "overlays").iterdir() if entry.is_dir()]


def test_waiting_for_another_installation_has_an_end_too(
    build: Callable[[Path, float], Path], user: Hermetic, tmp_path: Path, index: Path
) -> None:
    project, marker = slow_project(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        user_overlays = tmp_path / "cache" / "overlays"
        (tmp_path / "overlays").symlink_to(user_overlays)
        asked = pool.submit(user.provide, [str(project)], preinstalled=())
        wait_for(marker.exists, 20)
        with pytest.raises(DependencyError, match="another process has been installing them"):
            build(project, 0.1)
        user.close()
        with pytest.raises(DependencyError, match="the emulator is stopping"):
            asked.result(5)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLASH_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == tmp_path / ".cache" / "pytest-flash"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_cache() == Path("/xdg/pytest-flash")
    monkeypatch.setenv("FLASH_CACHE_DIR", "/own")
    assert default_cache() == Path("/own")


def test_a_worker_without_cloudpickle_cannot_be(tmp_path: Path, site: Path) -> None:
    hermetic = Hermetic(tmp_path / "cache", search_path=[str(site)])
    with pytest.raises(EmulatorError, match="workers need cloudpickle, but cloudpickle is not"):
        hermetic.program(preinstalled=())


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hermetic = Hermetic(tmp_path / "file")
    with pytest.raises(EmulatorError, match="Set FLASH_CACHE_DIR to a folder"):
        hermetic.program(preinstalled=())
    with pytest.raises(DependencyError, match="Set FLASH_CACHE_DIR to a folder"):
        hermetic.provide(["pydantic"], preinstalled=())
