"""The source of what a run has imported, read before somebody edits it."""

from __future__ import annotations

import pytest

from ..functions.registry import registry
from ..functions.shipping.loaded_source import LoadedTexts

_TEXTS: pytest.StashKey[LoadedTexts] = pytest.StashKey()


def keep_texts(config: pytest.Config) -> None:
    """Read what was collected, if there are remote functions in it."""
    if registry.functions():
        texts_of(config).keep()


def texts_of(config: pytest.Config) -> LoadedTexts:
    """The texts of this process's modules."""
    return config.stash.setdefault(_TEXTS, LoadedTexts())
