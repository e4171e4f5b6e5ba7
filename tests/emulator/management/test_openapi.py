"""The emulator's own OpenAPI document, and requests made from it at random."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.emulator.harness import Emulator, until
from tests.emulator.management.schema_strategies import Strategy, fitting
from tests.emulator.official import OfficialSchema, with_python_patterns

EXAMPLES, EXAMPLES_IN_SOAK = 400, 10_000
TOO_LONG = 10.0

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)

# What the emulator wants to know by name, and what would have to fit that.
_WORDS: dict[str, dict[str, Any]] = {
    "/v2/serverless": {"image": "my/image", "cpu": [{"id": "cpu3c", "vcpuCount": 2}]},
    "/v2/network-volumes": {"dataCenter": "EU-RO-1"},
}
_LEFT_OUT = {"gpu", "templateId", "networkVolumes", "timeout", "workers"}
_OFFICIAL_PATHS = {
    "/v2/serverless": "/v2/serverless",
    "/v2/serverless/{endpoint}": "/v2/serverless/{id}",
    "/v2/network-volumes": "/v2/network-volumes",
    "/v2/network-volumes/{volume}": "/v2/network-volumes/{id}",
}


# So many parameters, which narrow lists down or add to items, no client of Runpod's sends.
NOT_EMULATED = {
    "/v2/catalog/gpus": 3,
    "/v2/catalog/gpus/{}": 3,
    "/v2/catalog/datacenters": 5,
    "/v2/catalog/datacenters/{}": 1,
}


@dataclass(frozen=True)
class Operation:
    """One operation of the emulator's document, with strategies for what it takes."""

    method: str
    path: str
    document: dict[str, Any]
    parameters: dict[tuple[str, str], Strategy]
    body: Strategy | None

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.document["responses"]}


@dataclass
class Known:
    """What exists: ids that are likelier to be met than those made up."""

    emulator: Emulator
    worker: tuple[str, str]
    endpoints: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def id(self, path: str, name: str, choice: int) -> str:
        """One of the things that a placeholder may stand for."""
        catalog = {"gpus": "NVIDIA A40", "cpus": "cpu3c", "datacenters": "EU-RO-1"}
        known = {
            "endpoint": [self.worker[0], *self.endpoints],
            "worker": [self.worker[1]],
            "volume": self.volumes,
            "id": [catalog.get(path.split("/")[3], "")],
        }[name]
        return known[choice % len(known)] if known else "none"

    def note(self, operation: Operation, answer: httpx.Response) -> None:
        """Keep a few of the things that were made."""
        self.statuses[answer.status_code] += 1
        if answer.status_code != 201:
            return
        kept = self.endpoints if "serverless" in operation.path else self.volumes
        kept.append(answer.json()["id"])
        if len(kept) > 5:
            base = operation.path
            assert self.emulator.management.delete(f"{base}/{kept.pop(0)}").status_code in (
                204,
                404,
            )


@pytest.fixture
def document(emulator: Emulator) -> dict[str, Any]:
    answer = emulator.management.get("/v2/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = with_python_patterns(answer.json())
    return found


def test_it_describes_what_runpod_has(
    document: dict[str, Any], official: OfficialSchema | None
) -> None:
    if official is None:
        pytest.skip("the official REST schema is not beside this checkout")
    ours, theirs = ({_operation(*each) for each in found} for found in _both(document, official))
    assert ours == {
        (method, path, success, count - NOT_EMULATED.get(path, 0))
        for method, path, success, count in theirs
    }


def _both(
    document: dict[str, Any], official: OfficialSchema
) -> Iterator[list[tuple[str, str, dict[str, Any]]]]:
    yield [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    yield [(each.method, each.template, dict(each.document)) for each in official.operations]


def _operation(method: str, path: str, document: dict[str, Any]) -> tuple[str, str, str, int]:
    """What must agree: place, success, and the parameters that may be sent."""
    success = next(status for status in document["responses"] if status.startswith("2"))
    names = {
        (parameter.get("$ref") or parameter["name"]).rpartition("/")[2]
        for parameter in document.get("parameters", ())
        if parameter.get("in") != "path"
    }
    # The official names of shared parameters are those of their definitions.
    return method.upper(), re.sub(r"\{\w+\}", "{}", path), success, len(names)


def test_its_schemas_are_schemas(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("additionalProperties") is False, name


def test_every_operation_has_been_answered_as_runpod_would(
    emulator: Emulator, official: OfficialSchema | None
) -> None:
    if official is None:
        pytest.skip("the official REST schema is not beside this checkout")
    api = emulator.management
    endpoint, worker = _ended_worker(emulator)
    volume = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    volume_id = api.post("/v2/network-volumes", json=volume).json()["id"]
    ids = {"id": endpoint, "workerId": worker}
    things = {"gpus": "NVIDIA A40", "cpus": "cpu3c", "datacenters": "EU-RO-1"}
    official.seen.clear()
    emulator.create()
    api.post("/v2/network-volumes", json=volume)
    api.patch(f"/v2/serverless/{endpoint}", json={"timeout": 1000})
    api.patch(f"/v2/network-volumes/{volume_id}", json={"size": 20})
    for operation in official.operations:
        kind = operation.template.split("/")[3] if "catalog" in operation.template else ""
        known = {"id": things.get(kind, volume_id if "volumes" in operation.template else endpoint)}
        if operation.method == "GET":
            api.get(operation.template.format(**{**ids, **known}))
    api.delete(f"/v2/serverless/{endpoint}")
    api.delete(f"/v2/network-volumes/{volume_id}")
    good = {(method, template) for method, template, status in official.seen if status < 300}
    assert good == {(each.method, each.template) for each in official.operations}


def test_strangers_are_refused_as_runpod_would(
    emulator: Emulator, official: OfficialSchema | None
) -> None:
    if official is None:
        pytest.skip("the official REST schema is not beside this checkout")
    base = str(emulator.management.base_url)
    with httpx.Client(base_url=base, event_hooks={"response": [official]}) as stranger:
        for operation in official.operations:
            path = operation.template.format(id="x", workerId="x")
            assert stranger.request(operation.method, path).status_code == 401


def test_requests_at_random_are_answered_as_it_says(
    emulator: Emulator,
    document: dict[str, Any],
    official: OfficialSchema | None,
    pytestconfig: pytest.Config,
) -> None:
    operations = [*_operations(document)]
    known = Known(emulator, _ended_worker(emulator))
    validators = _Validators(document)

    soak = pytestconfig.getoption("soak")

    @settings(
        max_examples=EXAMPLES_IN_SOAK if soak else EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(operations))
        answer = _send(emulator, data, operation, known)
        assert answer.status_code in operation.statuses | {405}, answer.text
        validators.check(operation, answer)
        if official is not None:
            _check_refusal(official, operation, answer)
        known.note(operation, answer)

    ask()
    assert known.statuses[200] > EXAMPLES / 10
    # Whether a few hundred requests create and delete something is up to chance.
    expected = {201, 204, 400, 404, 422} if soak else {400, 404, 422}
    assert expected <= set(known.statuses)
    assert until(lambda: emulator.management.get("/v2/serverless").status_code, bool) == 200


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = {
                (parameter["in"], parameter["name"]): _texts(parameter["schema"])
                for parameter in operation["parameters"]
                if parameter["in"] != "path"
            }
            body = None
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                body = _bodies(_sensible(path, fitting(schema, document["components"])))
            yield Operation(method.upper(), path, operation, parameters, body)


def _texts(schema: dict[str, Any]) -> Strategy:
    """Texts of a parameter: as its schema says, or any."""
    right = fitting(schema, {}).map(
        lambda value: (
            ",".join(value)
            if isinstance(value, list)
            else value
            if isinstance(value, str)
            else json.dumps(value)
        )
    )
    return right | TEXT


def _sensible(path: str, bodies: Strategy) -> Strategy:
    """``bodies``, and in some the words that a schema does not tell put right."""

    def put_right(body: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in body.items() if name not in _LEFT_OUT}
        return {**kept, **_WORDS[path]}

    return bodies | bodies.map(put_right) if path in _WORDS else bodies


def _bodies(right: Strategy) -> Strategy:
    """Bodies: as the schema says, spoiled in one place, any JSON, any bytes."""
    spoiled = st.tuples(right, st.randoms(use_true_random=False), JSON).map(_spoil)
    written = st.one_of(right, right, spoiled, JSON).map(lambda each: json.dumps(each).encode())
    return st.one_of(written, written, written, st.binary(max_size=20))


def _spoil(drawn: tuple[dict[str, Any], random.Random, Any]) -> Any:
    body, chance, other = drawn
    if not body:
        return other
    name = chance.choice(sorted(body))
    spoiled = dict(body)
    if chance.random() < 0.3:
        del spoiled[name]
    else:
        spoiled[name] = other
    return spoiled


def _send(
    emulator: Emulator, data: st.DataObject, operation: Operation, known: Known
) -> httpx.Response:
    # What is drawn must not depend on what exists, so known ids are drawn as numbers.
    ids = [
        (name, data.draw(st.integers(0, 9) | st.integers(0, 9) | TEXT))
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    path = operation.path
    for name, drawn in ids:
        made_up = drawn if isinstance(drawn, str) and drawn.strip(".") else "-"  # httpx resolves ..
        chosen_id = known.id(path, name, drawn) if isinstance(drawn, int) else made_up
        path = path.replace(f"{{{name}}}", quote(chosen_id, safe=""))
    chosen = {
        key: data.draw(strategy)
        for key, strategy in operation.parameters.items()
        if data.draw(st.integers(0, 3)) == 0
    }
    query = {name: value for (place, name), value in chosen.items() if place == "query"}
    headers = {
        name: quote(value.strip(), safe=":+/ -TZ").strip()
        for (place, name), value in chosen.items()
        if place == "header"
    }
    content = data.draw(operation.body) if operation.body is not None else None
    return emulator.management.request(
        operation.method, path, params=query, headers=headers, content=content, timeout=TOO_LONG
    )


def _check_refusal(official: OfficialSchema, operation: Operation, answer: httpx.Response) -> None:
    """422 for what Runpod's schema forbids, and for nothing else."""
    if operation.body is None or answer.status_code in (404, 405):
        return
    try:
        body = json.loads(answer.request.content)
    except ValueError:
        assert answer.status_code == 400
        return
    template = _OFFICIAL_PATHS[operation.path]
    allowed = official.accepts(operation.method, template, body)
    assert allowed == (answer.status_code != 422), (body, answer.text)


class _Validators:
    """The emulator's own word on its answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]

    def check(self, operation: Operation, answer: httpx.Response) -> None:
        described = operation.document["responses"].get(str(answer.status_code), {})
        for media, content in described.get("content", {}).items():
            assert answer.headers["content-type"].partition(";")[0] == media
            if media != "text/event-stream":
                schema = {**content["schema"], "components": self._components}
                Draft202012Validator(schema).validate(answer.json())


def _ended_worker(emulator: Emulator) -> tuple[str, str]:
    """An endpoint and a worker of it that has ended, so that its log is no endless stream."""
    endpoint = emulator.create(workers={"max": 1})
    done = emulator.call(endpoint, do="print and exit", text="bye", code=1)
    return endpoint, str(done["workerId"])
