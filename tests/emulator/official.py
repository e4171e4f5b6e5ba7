"""Every answer of the management plane, held against Runpod's own schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from jsonschema import Draft202012Validator

_PLACEHOLDER = re.compile(r"\\\{\w+\\\}")
_BASE = "/api"


@dataclass(frozen=True)
class Operation:
    """One operation of the schema, and where it is."""

    method: str
    template: str
    path: re.Pattern[str]
    document: Mapping[str, Any]


@dataclass
class OfficialSchema:
    """The official schema of REST v2. As a response hook of httpx it checks each answer."""

    document: Mapping[str, Any]
    seen: set[tuple[str, str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._validators: dict[str, Draft202012Validator] = {}
        self.operations = [
            Operation(method.upper(), path, _pattern(path), operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if method != "parameters"
        ]

    def __call__(self, response: httpx.Response) -> None:
        """Check an answer; an AssertionError or ValidationError says what is wrong with it."""
        request = response.request
        path = request.url.path.removeprefix(_BASE)
        operation = self._operation(request.method, path)
        if operation is None:
            if path != "/v2/openapi.json":
                assert response.status_code in (401, 404, 405), response.status_code
                self._check_problem(response)
            return
        self.seen.add((operation.method, operation.template, response.status_code))
        declared = operation.document["responses"]
        described = self._resolved(declared.get(str(response.status_code), declared["default"]))
        if response.status_code != 401:
            assert "ratelimit" in response.headers
            assert "ratelimit-policy" in response.headers
        for name in described.get("headers", {}):
            assert name in response.headers or response.status_code != 200, name
        content = described.get("content")
        if content is None:
            assert response.read() == b""
            return
        (media, body) = next(iter(content.items()))
        assert response.headers["content-type"].partition(";")[0] == media
        if media != "text/event-stream":
            response.read()
            self._validator(body["schema"]["$ref"]).validate(response.json())
        if media == "application/problem+json":
            assert response.json()["status"] == response.status_code

    def accepts(self, method: str, template: str, body: Any) -> bool:
        """Whether the schema of an operation's request body allows ``body``."""
        (operation,) = (
            each.document
            for each in self.operations
            if each.method == method and each.template == template
        )
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        return bool(self._validator(schema["$ref"]).is_valid(body))

    def _operation(self, method: str, path: str) -> Operation | None:
        for each in self.operations:
            if each.method == method and each.path.fullmatch(path):
                return each
        return None

    def _check_problem(self, response: httpx.Response) -> None:
        response.read()
        self._validator("#/components/schemas/ErrorResponse").validate(response.json())

    def _resolved(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = described.get("$ref")
        if reference is None:
            return described
        found: Mapping[str, Any] = self.document["components"]["responses"][
            reference.rpartition("/")[2]
        ]
        return found

    def _validator(self, reference: str) -> Draft202012Validator:
        if reference not in self._validators:
            whole = {"$ref": reference, "components": self.document["components"]}
            self._validators[reference] = Draft202012Validator(whole)
        return self._validators[reference]


def with_python_patterns(value: Any) -> Any:
    """A JSON schema whose patterns mean to Python what they mean in a JSON schema (ECMA 262):
    ``\\d`` is ASCII only, and ``$`` is not before a line's end."""
    if isinstance(value, list):
        return [with_python_patterns(each) for each in value]
    if not isinstance(value, dict):
        return value
    converted = {name: with_python_patterns(each) for name, each in value.items()}
    if isinstance(pattern := converted.get("pattern"), str):
        converted["pattern"] = pattern.replace(r"\d", "[0-9]").replace("$", r"\Z")
    return converted


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub("[^/]+", re.escape(template)), re.DOTALL)
