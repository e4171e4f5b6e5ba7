"""Values that fit a JSON schema, for as much of JSON Schema as the emulator's document uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]
Schema = Mapping[str, Any]


def fitting(schema: Schema, components: Schema) -> Strategy:
    """Values that fit ``schema``, whose references lead into ``components``.

    Raises KeyError for what it does not understand.
    """
    if "$ref" in schema:
        return fitting(components["schemas"][schema["$ref"].rpartition("/")[2]], components)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([fitting(each, components) for each in schema[several]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    if schema["type"] == "object":
        return _objects(schema, components)
    if schema["type"] == "array":
        items, least = fitting(schema["items"], components), schema.get("minItems", 0)
        return st.lists(items, min_size=least, max_size=schema.get("maxItems", least + 3))
    return _SCALARS[schema["type"]](schema)


def _objects(schema: Schema, components: Schema) -> Strategy:
    if "properties" not in schema:
        values = fitting(schema["additionalProperties"], components)
        return st.dictionaries(st.text(max_size=10), values, max_size=3)
    required = set(schema.get("required", ()))
    fields = {name: fitting(each, components) for name, each in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: each for name, each in fields.items() if name in required},
        optional={name: each for name, each in fields.items() if name not in required},
    )


def _strings(schema: Schema) -> Strategy:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    if schema.get("format") == "date-time":
        moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
        return moments.map(lambda moment: moment.replace(tzinfo=timezone.utc).isoformat())
    return st.text(min_size=schema.get("minLength", 0), max_size=20)


def _integers(schema: Schema) -> Strategy:
    least, most = schema.get("minimum"), schema.get("maximum")
    small = st.integers(least, min(most or 100, (least or 0) + 100))
    return small | st.integers(least, most)


def _numbers(schema: Schema) -> Strategy:
    return st.floats(schema.get("minimum"), allow_nan=False, allow_infinity=False)


_SCALARS: dict[str, Callable[[Schema], Strategy]] = {
    "string": _strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}
