"""Finding the project around an app."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flash.errors import SettingsError
from pytest_flash.project import find_project


def test_the_nearest_pyproject_names_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "src" / "web").mkdir(parents=True)

    project = find_project(tmp_path / "src" / "web")

    assert (project.root, project.name) == (tmp_path, "shop")


def test_tool_flash_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\n[tool.flash]\nproject = "till"\n'
    )
    assert find_project(tmp_path).name == "till"


def test_without_a_pyproject_the_folder_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "My shop!"
    folder.mkdir()
    assert find_project(folder).name == "My-shop"


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
