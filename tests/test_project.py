"""Finding the project around an app."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_flash.emulator.startup.config import load_config
from pytest_flash.errors import SettingsError
from pytest_flash.project import Project, find_project
from tests.support.system.deadline import at_most


def test_the_nearest_pyproject_names_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "src" / "web").mkdir(parents=True)

    project = find_project(tmp_path / "src" / "web")

    assert (project.root, project.name) == (tmp_path, "shop")
    assert (project.former_name, project.declared) == ("", True)


def test_tool_flash_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\n[tool.flash]\nproject = "till"\n'
    )
    assert find_project(tmp_path).name == "till"


def test_without_a_pyproject_the_folder_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "My shop!"
    folder.mkdir()
    project = find_project(folder)
    assert re.fullmatch("My-shop~[0-9a-f]{12}", project.name)
    assert (project.former_name, project.declared) == ("My-shop", False)


def test_unknown_keys_get_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.flash]\nprojct = "x"\n')
    with pytest.raises(SettingsError, match="did you mean 'project'"):
        find_project(tmp_path)


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash\n")
    with pytest.raises(SettingsError, match=r"pyproject.toml cannot be read"):
        find_project(tmp_path)


@pytest.mark.parametrize("text", ['project = "shop"', "tool = 1", "[tool]\nflash = true"])
def test_what_should_be_a_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"pyproject.toml: '(project|tool|flash)' must be"):
        find_project(tmp_path)


def named(name: str, folder: Path) -> Project:
    """The project whose ``pyproject.toml`` gives it this name."""
    escaped = "".join(f"\\U{ord(each):08x}" for each in name)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{escaped}"\n')
    return find_project(folder)


# Names that came to the same before they had a hash, and what looks like a hash.
ALIKE = st.sampled_from(
    ["my app", "my-app", "my_app", "-my-app-", "my  app", "项目一", "プロジェクト"]
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=191) | ALIKE


@given(NAMES, NAMES)
@example("项目一", "プロジェクト")
@example("a" * 191, "a" * 192)
@example("a" * 300 + "b", "a" * 300 + "c")
def test_different_names_are_different_projects(one: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        first, second = (named(name, Path(home)).name for name in (one, other))
        assert (first == second) == (one == other)
        for name in (first, second):
            assert re.fullmatch(r"[A-Za-z0-9._~-]{1,191}", name)
            # A project that is called as another one's mark is not that project.
            assert (named(name, Path(home)).name == name) == ("~" not in name)


def test_a_name_that_is_clean_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("shop", "My_shop.2", "a" * 191, "0"):
        project = named(name, tmp_path)
        assert (project.name, project.former_name) == (name, "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = " + "[" * 100_000, "nested more than 100"),
        ("a = " + "{a=" * 100_000, "nested more than 100"),
        ("a = " + "[" * 200 + "]" * 200, "nested more than 100"),
        ("[" + ".".join(["a"] * 100_000) + "]", "nested more than 100"),
        ('"a b" . ' * 50_000 + "a = 1", "nested more than 100"),
        (".".join(["a"] * 300) + " = 1", "nested more than 100"),
        ("a = " + "9" * 10_000, "10000 digits"),
        ("#" * (1 << 20) + "#", "larger than 1 MiB"),
    ],
    ids=["arrays", "tables", "few-arrays", "header", "quoted", "few", "digits", "huge"],
)
def test_toml_that_costs_too_much_is_named_at_once(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with (
        at_most(20),
        pytest.raises(SettingsError, match=f"pyproject.toml cannot be read: .*{what}"),
    ):
        find_project(tmp_path)


def test_strings_and_comments_hold_as_many_dots_and_brackets_as_they_like(tmp_path: Path) -> None:
    many = ".[{" * 500
    text = f"""
        # {many}
        '{many}' = "\\"{many}\\\\"
        a = '''{many}
        {many}'''
        b = \"\"\"{many}\\\"\"\"{many}\"\"\"
        c = [{"[1.5], " * 2000}]
        [project]
        name = "shop"
    """
    (tmp_path / "pyproject.toml").write_text(text)
    assert find_project(tmp_path).name == "shop"


@pytest.mark.parametrize("text", ["project = 5", "project = ['a']", "project = {a = 1}"])
def test_a_name_that_is_not_a_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.flash]\n{text}\n")
    with pytest.raises(SettingsError, match=r"\[tool.flash\] project must be a text"):
        find_project(tmp_path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("plant", [pipe, endless, Path.mkdir])
def test_what_is_not_a_file_is_not_waited_for(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / "pyproject.toml")
    with at_most(20):
        assert find_project(tmp_path).root == tmp_path


STRANGER = 12345
COMMANDS = '[tool.flash.emulator.images]\n"an/image" = "python handler.py"\n'


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app's folder below one with a ``pyproject.toml`` that has commands."""
    if os.geteuid() != 0:
        pytest.skip("giving files to other users needs root")
    (tmp_path / "pyproject.toml").write_text(COMMANDS + '[project]\nname = "shop"\n')
    app = tmp_path / "app"
    app.mkdir()
    return app


def test_commands_of_another_users_pyproject_are_not_run(app: Path) -> None:
    assert load_config(app).images
    os.chown(app.parent / "pyproject.toml", STRANGER, STRANGER)
    with pytest.raises(SettingsError, match=rf"images.*belongs to user {STRANGER}.*copy the table"):
        load_config(app)
    assert not find_project(app).declared


def test_installing_counts_as_a_command(app: Path) -> None:
    file = app.parent / "pyproject.toml"
    file.write_text('[tool.flash.emulator]\npreinstalled = ["evil"]\n')
    os.chown(file, STRANGER, STRANGER)
    with pytest.raises(SettingsError, match=f"preinstalled.*belongs to user {STRANGER}"):
        load_config(app)


def test_a_link_of_another_user_to_a_file_of_ours_does_not_count(app: Path) -> None:
    file = app.parent / "pyproject.toml"
    ours = file.rename(app.parent / "ours.toml")
    file.symlink_to(ours)
    os.lchown(file, STRANGER, STRANGER)
    with pytest.raises(SettingsError, match=f"images.*belongs to user {STRANGER}"):
        load_config(app)


def test_commands_of_the_owner_of_the_apps_folder_are_run(app: Path) -> None:
    """As of a checkout that is another user's, app and all."""
    for path in (app, app.parent / "pyproject.toml"):
        os.chown(path, STRANGER, STRANGER)
    assert load_config(app).images


def test_settings_of_another_users_pyproject_that_run_nothing_count(app: Path) -> None:
    file = app.parent / "pyproject.toml"
    file.write_text("[tool.flash.emulator]\nredeliveries = 3\n")
    os.chown(file, STRANGER, STRANGER)
    assert load_config(app).options.redeliveries == 3
