"""Tests import what the app imports, also where its folder is a package."""

from __future__ import annotations

import pytest

from ..errors import AppNotFoundError, SettingsError
from .config import read_config


def add_folder_of_package(config: pytest.Config) -> None:
    """Let tests import modules from the folder of an app that has an ``__init__.py`` beside it,
    for which pytest itself adds the folder above. Does nothing where there is no such app."""
    try:
        location = read_config(config).location()
    except (AppNotFoundError, SettingsError):
        return  # The fixture that needs the app says so.
    if location is not None and location.beside is not None:
        from ..runner.app.import_path import add_own_folders

        add_own_folders(location)
