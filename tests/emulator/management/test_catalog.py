"""The catalog, against Runpod's own schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from pytest_flash.emulator.account.catalog_data import CPUS, DATA_CENTERS, GPUS
from pytest_flash.emulator.management.catalog_queries import (
    GPU_FILTERS,
    cpu_availability,
    gpu_availability,
)
from pytest_flash.emulator.server.http_errors import HttpError
from pytest_flash.resources import DataCenter
from pytest_flash.runpod import ManagementClient
from pytest_flash.target import Target, TargetKind
from pytest_flash.wire.cpus import GB_PER_VCPU
from pytest_flash.wire.data_centers import CPU_DATA_CENTERS
from pytest_flash.wire.gpus import ACCEPTED_TYPES
from tests.emulator.harness import KEY, Emulator

BASE = "/v2/catalog"
RTX_4090 = "NVIDIA GeForce RTX 4090"
SERVERLESS = {"include": "AVAILABILITY", "product": "SERVERLESS"}
KINDS = {
    "gpus": ("ListGpuTypesResponse", "gpus", "GpuType"),
    "cpus": ("ListCpuTypesResponse", "cpus", "CpuType"),
    "datacenters": ("ListDataCentersResponse", "dataCenters", "DataCenter"),
}


def check(document: Any, name: str, schema: dict[str, Any]) -> None:
    whole = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
    jsonschema.Draft202012Validator(whole).validate(document)


def ask(emulator: Emulator, path: str, **query: str) -> dict[str, Any]:
    answer = emulator.management.get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def ids(documents: list[dict[str, Any]]) -> list[str]:
    return [document["id"] for document in documents]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("gpus", {}),
        ("gpus", SERVERLESS),
        ("gpus", {"include": "AVAILABILITY", "product": "POD"}),
        ("cpus", {}),
        ("cpus", SERVERLESS),
        ("datacenters", {}),
    ],
)
def test_lists_and_their_items_read_as_the_schema_says(
    emulator: Emulator, rest_schema: dict[str, Any], path: str, query: dict[str, str]
) -> None:
    whole, key, one = KINDS[path]
    listed = ask(emulator, path, **query)
    check(listed, whole, rest_schema)
    assert len(set(ids(listed[key]))) == len(listed[key]) > 0
    for document in (listed[key][0], listed[key][-1]):
        alone = ask(emulator, f"{path}/{document['id']}", **query)
        check(alone, one, rest_schema)
        assert alone == document


@pytest.mark.parametrize("path", KINDS)
def test_what_the_catalog_lacks_is_not_found(
    emulator: Emulator, rest_schema: dict[str, Any], path: str
) -> None:
    answer = emulator.management.get(f"{BASE}/{path}/nothing of the sort")
    assert answer.status_code == 404
    check(answer.json(), "ErrorResponse", rest_schema)
    assert "'nothing of the sort'" in answer.json()["detail"]
    assert emulator.management.post(f"{BASE}/{path}").status_code == 405


def test_a_gpu_says_what_it_is_and_costs(emulator: Emulator) -> None:
    assert ask(emulator, f"gpus/{RTX_4090}") == {
        "id": RTX_4090,
        "name": "RTX 4090",
        "pool": "ADA_24",
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": False,
        "community": False,
        "price": {"secure": 0, "community": 0, "serverless": 1.116},
        "maxCount": {"secure": 0, "community": 0},
    }


def test_a_price_that_nobody_publishes_is_left_out(emulator: Emulator) -> None:
    unpriced = [
        gpu["pool"] for gpu in ask(emulator, "gpus")["gpus"] if "serverless" not in gpu["price"]
    ]
    assert unpriced == ["ADA_32_PRO"]


def test_every_gpu_that_endpoints_may_name_is_listed_in_a_pool_of_its_own() -> None:
    assert set(GPUS) == frozenset[str]().union(*ACCEPTED_TYPES.values())
    assert all(gpu.id in ACCEPTED_TYPES[gpu.pool] for gpu in GPUS.values())
    assert {gpu.pool for gpu in GPUS.values()} == set(ACCEPTED_TYPES)


def test_every_cpu_flavor_that_endpoints_may_name_is_listed() -> None:
    assert set(CPUS) == set(GB_PER_VCPU)


def test_every_data_center_that_resources_may_name_is_listed() -> None:
    assert set(DATA_CENTERS) == {center.value for center in DataCenter}
    with_cpus = {center.id for center in DATA_CENTERS.values() if center.has_cpus}
    assert with_cpus == {center.value for center in CPU_DATA_CENTERS}


def test_the_catalogs_cpus_can_be_ordered(emulator: Emulator) -> None:
    for flavor in ask(emulator, "cpus")["cpus"]:
        endpoint = emulator.create(cpu=[{"id": flavor["id"], "vcpuCount": flavor["vcpu"]["min"]}])
        cpu = emulator.management.get(f"/v2/serverless/{endpoint}").json()["cpu"][0]
        assert cpu["memory"] == cpu["vcpuCount"] * flavor["ramGbPerVcpu"]


def test_availability_comes_only_when_asked_for(emulator: Emulator) -> None:
    for path in (f"gpus/{RTX_4090}", "cpus/cpu3c"):
        assert "availability" not in ask(emulator, path)
        asked = ask(emulator, path, **SERVERLESS)
        assert asked["availability"] == "HIGH"
        assert {each["availability"] for each in asked["dataCenters"]} == {"HIGH"}


@pytest.mark.parametrize("path", [f"gpus/{RTX_4090}", "cpus/cpu3c"])
def test_there_are_no_pods(emulator: Emulator, path: str) -> None:
    asked = ask(emulator, path, include="AVAILABILITY", product="POD")
    assert asked["availability"] == "NONE"
    assert "dataCenters" not in asked
    both = ask(emulator, path, include="AVAILABILITY", product="POD,SERVERLESS")
    assert both["availability"] == "HIGH"


def test_more_vcpus_than_a_flavor_has_are_not_available(emulator: Emulator) -> None:
    most = ask(emulator, "cpus/cpu5c")["vcpu"]["max"]
    for count, level in ((most, "HIGH"), (2 * most, "NONE")):
        asked = ask(emulator, "cpus/cpu5c", **SERVERLESS, vcpuCount=str(count))
        assert asked["availability"] == level


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("gpus", {**SERVERLESS, "countryCodes": "RO,CA"}),
        (f"gpus/{RTX_4090}", {**SERVERLESS, "minCudaVersion": "12"}),
        ("datacenters", {"regions": "ASIA"}),
        ("datacenters/EU-RO-1", {"include": "GPU_AVAILABILITY"}),
    ],
)
def test_what_is_not_emulated_is_refused_by_its_name(
    emulator: Emulator, rest_schema: dict[str, Any], path: str, query: dict[str, str]
) -> None:
    answer = emulator.management.get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 400, answer.text
    check(answer.json(), "ErrorResponse", rest_schema)
    assert f"no {list(query)[-1]}:" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("gpus", {"include": "AVAILABILITY"}),
        ("gpus", {"product": "SERVERLESS"}),
        ("gpus", {"count": "2"}),
        ("gpus", {"cloud": "SECURE"}),
        (f"gpus/{RTX_4090}", {"include": "AVAILABILITY"}),
        ("cpus", {"include": "AVAILABILITY"}),
        ("cpus", {"product": "SERVERLESS"}),
        ("cpus", {"vcpuCount": "4"}),
        ("cpus", {**SERVERLESS, "vcpuCount": "6"}),
        ("cpus/cpu3c", {"product": "SERVERLESS"}),
    ],
)
def test_parameters_that_do_not_go_together_are_bad_requests(
    emulator: Emulator, rest_schema: dict[str, Any], path: str, query: dict[str, str]
) -> None:
    answer = emulator.management.get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 400, answer.text
    check(answer.json(), "ErrorResponse", rest_schema)
    assert any(name in answer.json()["detail"] for name in query)


@pytest.mark.parametrize(
    ("path", "query", "problem"),
    [
        ("gpus", {"include": "PRICES"}, "include"),
        ("gpus", {"include": "AVAILABILITY,AVAILABILITY", "product": "POD"}, "include"),
        ("gpus", {**SERVERLESS, "product": "SERVERLESS,TEAPOT"}, "product"),
        ("gpus", {**SERVERLESS, "count": "0"}, "count"),
        ("gpus", {**SERVERLESS, "count": "1" * 5000}, "count"),
        ("gpus", {**SERVERLESS, "cloud": "PRIVATE"}, "cloud"),
        ("cpus", {**SERVERLESS, "product": "CLUSTER"}, "product"),
        ("cpus", {**SERVERLESS, "vcpuCount": "1"}, "vcpuCount"),
    ],
)
def test_values_against_the_schema_are_unprocessable(
    emulator: Emulator, rest_schema: dict[str, Any], path: str, query: dict[str, str], problem: str
) -> None:
    answer = emulator.management.get(f"{BASE}/{path}", params=query)
    assert answer.status_code == 422, answer.text
    check(answer.json(), "ErrorResponse", rest_schema)
    assert answer.json()["errors"][0].startswith(f"query.{problem}: ")


TEXTS = st.one_of(
    st.text(max_size=8),
    st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,3})?", fullmatch=True),
    st.lists(st.sampled_from(["POD", "SERVERLESS", "CLUSTER", "SECURE", ""])).map(",".join),
    st.sampled_from(["AVAILABILITY", "GPU_AVAILABILITY"]),
)


@settings(deadline=None)
@given(st.data())
def test_a_value_is_unprocessable_exactly_when_its_schema_refuses_it(
    rest_schema: dict[str, Any], data: st.DataObject
) -> None:
    readers: tuple[tuple[str, Callable[[QueryParams], object]], ...] = (
        ("gpus", gpu_availability),
        ("cpus", cpu_availability),
    )
    for path, read in readers:
        official = official_parameters(rest_schema, f"{BASE}/{path}")
        parameters = {name: each for name, each in official.items() if name not in GPU_FILTERS}
        query = data.draw(st.dictionaries(st.sampled_from(sorted(parameters)), TEXTS))
        valid = all(accepted(parameters[name], text, rest_schema) for name, text in query.items())
        assert status(read, query) in ({200, 400} if valid else {422})


def status(read: Callable[[QueryParams], object], query: dict[str, str]) -> int:
    try:
        read(QueryParams(query))
    except HttpError as refusal:
        return refusal.status
    return 200


def official_parameters(schema: dict[str, Any], path: str) -> dict[str, Any]:
    named: dict[str, Any] = schema["components"]["parameters"]
    listed = [
        named[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in schema["paths"][path]["get"]["parameters"]
    ]
    return {each["name"]: each["schema"] for each in listed}


def accepted(parameter: dict[str, Any], text: str, schema: dict[str, Any]) -> bool:
    """Whether a parameter's schema takes ``text``, read as its type."""
    if not text.isascii() or "\n" in text:
        return False  # Python's \d and $ take more than those of JSON Schema
    value: Any = text
    if parameter.get("type") == "array":
        value = text.split(",")
    elif parameter.get("type") == "integer" and text.isascii() and text.isdigit():
        value = int(text)
    elif parameter.get("type") == "boolean" and text in ("true", "false"):
        value = text == "true"
    whole = {**parameter, "components": schema["components"]}
    return bool(jsonschema.Draft202012Validator(whole).is_valid(value))


def test_our_client_reads_the_catalog(emulator: Emulator) -> None:
    target = Target(
        TargetKind.EMULATOR, f"{emulator.origin}/api", f"{emulator.origin}/queue/v2", KEY, "a test"
    )
    with ManagementClient(target) as client:
        gpus = {gpu.id: gpu for gpu in client.gpus()}
        cpus = {cpu.id: cpu for cpu in client.cpus()}
    assert set(gpus) == set(GPUS)
    assert gpus[RTX_4090].price.serverless == 1.116
    assert gpus["NVIDIA GeForce RTX 5090"].price.serverless is None
    assert (gpus[RTX_4090].pool, gpus[RTX_4090].memory) == ("ADA_24", 24)
    assert set(cpus) == set(CPUS)
    assert (cpus["cpu3g"].ram_gb_per_vcpu, cpus["cpu3g"].vcpu.min) == (4, 2)
    assert cpus["cpu3g"].price.serverless_per_vcpu == 0.03
