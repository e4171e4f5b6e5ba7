"""docs/reference.md has what there is, and nothing else."""

from __future__ import annotations

import ast
import re

import pytest

from pytest_flash.project import _KNOWN_KEYS
from tests.support.environment import ROOT
from tests.support.reference import PAGE, first_column, rendered

VARIABLE = re.compile(r"(?:FLASH|RUNPOD|PYTEST_FLASH)_[A-Z0-9_]+")
# What our own processes and workers are told by, and what is set for official SDKs.
INTERNAL = {
    "FLASH_DEPENDENCIES_URL",
    "FLASH_EXCHANGE_URL",
    "FLASH_IS_LIVE_PROVISIONING",
    "FLASH_LOAD_BALANCED",
    "FLASH_STACK_FILE",
    "FLASH_STATE_DIR",
    "PYTEST_FLASH_DOTENV",
    "PYTEST_FLASH_GUEST_KEY",
    "PYTEST_FLASH_NOT_LIVE",
    "PYTEST_FLASH_OWNER",
    "PYTEST_FLASH_RESERVED_BY",
    "RUNPOD_AI_API_KEY",
    "RUNPOD_CONSOLE_URL",
    "RUNPOD_ENDPOINT_ID",
    "RUNPOD_FLASH_DIR",
    "RUNPOD_HAPI_URL",
    "RUNPOD_PING_INTERVAL",
    "RUNPOD_POD_HOSTNAME",
    "RUNPOD_POD_ID",
    "RUNPOD_REST_API_URL",
    "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS",
    "RUNPOD_SKIP_GPU_CHECK",
    "RUNPOD_URL_MIXED_OK",
    "RUNPOD_VOLUME_PATH",
    "RUNPOD_WEBHOOK_",
    "RUNPOD_WEBHOOK_GET_JOB",
    "RUNPOD_WEBHOOK_PING",
    "RUNPOD_WEBHOOK_POST_OUTPUT",
    "RUNPOD_WEBHOOK_POST_STREAM",
}


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def variables() -> set[str]:
    """The names of variables that stand in our code, each as a text of its own."""
    found = set()
    for file in (
        each for top in ("pytest_flash", "flash_cli") for each in (ROOT / top).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if VARIABLE.fullmatch(node.value) else set()
    return found


def test_the_tables_are_those_of_the_code(page: str) -> None:
    assert rendered(page) == page, "make it anew: python -m tests.support.reference"


def test_every_variable_is_there_and_no_other(page: str) -> None:
    assert first_column(page, "## Environment variables") == variables() - INTERNAL
    assert variables() >= INTERNAL


def test_every_key_is_there_and_no_other(page: str) -> None:
    assert first_column(page, "## Keys of `[tool.flash]`") == set(_KNOWN_KEYS)
