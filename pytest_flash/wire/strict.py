"""Types of JSON objects that are read as they are: no other keys, no conversions."""

from __future__ import annotations

from pydantic import ConfigDict, with_config

strict = with_config(
    ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
)
"""Decorates a TypedDict that pydantic reads."""
