"""The GraphQL operations of official SDKs, on the endpoints that REST v2 shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.emulator.harness import KEY, Emulator

SAVE = "mutation s($input: EndpointInput!) { saveEndpoint(input: $input) { %s } }"
SAVE_TEMPLATE = "mutation t($input: SaveTemplateInput) { saveTemplate(input: $input) { id } }"
# As runpod-flash 1.1.1 sends it for a CPU function.
TEMPLATE: dict[str, Any] = {
    "advancedStart": False,
    "config": {},
    "containerDiskInGb": 10,
    "containerRegistryAuthId": "",
    "dockerArgs": "",
    "env": [{"key": "A", "value": "1"}, {"key": "RUNPOD_API_KEY", "value": KEY}],
    "imageName": "test/worker",
    "name": "live-adder-fb__1",
    "ports": "80/http,22/tcp",
    "startScript": "",
}
INPUT: dict[str, Any] = {
    "name": "live-adder-fb",
    "type": "QB",
    "workersMin": 0,
    "workersMax": 3,
    "workersPFBTarget": 0,
    "idleTimeout": 5,
    "scalerType": "QUEUE_DELAY",
    "scalerValue": 4,
    "executionTimeoutMs": 0,
    "instanceIds": ["cpu3c-1-2", "cpu3c-2-4"],
    "template": TEMPLATE,
}
GPU = {
    **{key: value for key, value in INPUT.items() if key != "instanceIds"},
    "gpuIds": "AMPERE_16,ADA_24,-NVIDIA RTX A4500",
    "gpuCount": 1,
    "allowedCudaVersions": "",
}


class GraphQlClient:
    """Sends queries as the official SDK does."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def send(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def data(self, query: str, **variables: Any) -> Any:
        document = self.send(query, **variables)
        assert "errors" not in document, document
        return document["data"]

    def error(self, query: str, **variables: Any) -> str:
        (error,) = self.send(query, **variables)["errors"]
        return str(error["message"])

    def save(self, sent: dict[str, Any], fields: str = "id") -> dict[str, Any]:
        saved: dict[str, Any] = self.data(SAVE % fields, input=sent)["saveEndpoint"]
        return saved


@pytest.fixture
def graphql(emulator: Emulator) -> Iterator[GraphQlClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{emulator.origin}/api", headers=headers) as client:
        yield GraphQlClient(client)


def shown(emulator: Emulator, endpoint: str) -> dict[str, Any]:
    document: dict[str, Any] = emulator.management.get(f"/v2/serverless/{endpoint}").json()
    return document


def endpoints(emulator: Emulator) -> list[Any]:
    found: list[Any] = emulator.management.get("/v2/serverless").json()["endpoints"]
    return found


def test_a_saved_endpoint_is_one_of_rest(graphql: GraphQlClient, emulator: Emulator) -> None:
    saved = graphql.save(INPUT, "id name type templateId instanceIds aiKey version")
    document = shown(emulator, saved.pop("id"))
    assert saved == {
        "name": "live-adder-fb",
        "type": "QB",
        "templateId": f"template-{document['id']}",
        "instanceIds": ["cpu3c-1-2", "cpu3c-2-4"],
        "aiKey": None,
        "version": 1,
    }
    # What REST v2 can say of one vCPU.
    assert document["cpu"] == [{"id": "cpu3c", "vcpuCount": 2, "memory": 4}]
    assert document["scaling"] == {"type": "QUEUE_DELAY", "queueDelay": 4}
    assert document["workers"] == {"min": 0, "max": 3, "idleTimeout": 5}
    assert (document["timeout"], document["flashboot"]) == (600_000, "FLASHBOOT")
    assert (document["image"], document["disk"]) == ("test/worker", 10)
    assert document["ports"] == ["80/http", "22/tcp"]


def test_a_saved_endpoint_takes_jobs_and_has_no_key(
    graphql: GraphQlClient, emulator: Emulator
) -> None:
    saved = graphql.save(INPUT)
    assert shown(emulator, saved["id"])["env"] == {"A": "1"}
    done = emulator.call(saved["id"], do="environ")
    assert done["status"] == "COMPLETED"
    assert KEY not in done["output"]["env"].values()


def test_pools_are_a_set(graphql: GraphQlClient, emulator: Emulator) -> None:
    saved = graphql.save(GPU, "id templateId gpuIds")
    before = shown(emulator, saved["id"])
    assert before["gpu"]["excludedTypes"] == ["NVIDIA RTX A4500"]
    again = {**GPU, "id": saved["id"], "gpuIds": "ADA_24,-NVIDIA RTX A4500,AMPERE_16"}
    assert graphql.save(again, "version gpuIds") == {"version": 1, "gpuIds": saved["gpuIds"]}
    assert shown(emulator, saved["id"]) == before
    assert len(endpoints(emulator)) == 1


def test_an_update_changes_what_it_names(graphql: GraphQlClient, emulator: Emulator) -> None:
    saved = graphql.save(INPUT)
    env = [{"key": "A", "value": "2"}]
    changed = {**INPUT, "id": saved["id"], "template": {**TEMPLATE, "env": env}}
    assert graphql.save(changed, "version") == {"version": 2}
    without = {"id": saved["id"], "templateId": f"template-{saved['id']}", "workersMax": 7}
    assert graphql.save(without, "workersMax workersMin version") == {
        "workersMax": 7,
        "workersMin": 0,
        "version": 2,
    }
    assert shown(emulator, saved["id"])["env"] == {"A": "2"}


def test_templates_are_read_and_saved(graphql: GraphQlClient, emulator: Emulator) -> None:
    saved = graphql.save(INPUT, "id templateId")
    read = "query g($id: String!) { podTemplate(id: $id) { id imageName env { key value } } }"
    assert graphql.data(read, id=saved["templateId"])["podTemplate"] == {
        "id": saved["templateId"],
        "imageName": "test/worker",
        "env": [{"key": "A", "value": "1"}],
    }
    sent = {"id": saved["templateId"], "name": "x", "imageName": "test/worker", "volumeInGb": 0}
    sent["env"] = [{"key": "B", "value": "3"}]
    graphql.data(SAVE_TEMPLATE, input=sent)
    assert shown(emulator, saved["id"])["env"] == {"B": "3"}
    assert "not found" in graphql.error(read, id="template-other")
    assert "not found" in graphql.error(SAVE_TEMPLATE, input={"id": saved["id"]})


def test_an_endpoint_is_deleted_once(graphql: GraphQlClient, emulator: Emulator) -> None:
    saved = graphql.save(INPUT)
    delete = "mutation d($id: String!) { deleteEndpoint(id: $id) }"
    exists = "query e($id: String!) { myself { endpoint(id: $id) { id } endpoints { id } } }"
    assert graphql.data(exists, id=saved["id"])["myself"] == {
        "endpoint": saved,
        "endpoints": [saved],
    }
    assert graphql.data(delete, id=saved["id"]) == {"deleteEndpoint": None}
    assert graphql.data(exists, id=saved["id"])["myself"] == {"endpoint": None, "endpoints": []}
    assert "not found" in graphql.error(delete, id=saved["id"])
    assert endpoints(emulator) == []


def test_a_load_balancer_scales_on_requests(graphql: GraphQlClient, emulator: Emulator) -> None:
    sent = {**INPUT, "type": "LB", "scalerType": "REQUEST_COUNT", "scalerValue": 4}
    saved = graphql.save(sent, "id type")
    assert shown(emulator, saved["id"])["type"] == "LOAD_BALANCER"
    assert saved["type"] == "LB"


def test_stock_is_there(graphql: GraphQlClient) -> None:
    query = (
        "query q($a: X, $b: Y) { gpuTypes(input: $a) { lowestPrice(input: $b) { stockStatus } }"
        " cpuFlavors { specifics { stockStatus } } }"
    )
    assert graphql.data(query) == {
        "gpuTypes": [{"lowestPrice": {"stockStatus": "High"}}],
        "cpuFlavors": [{"specifics": {"stockStatus": "High"}}],
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"type": "POD"}, "QB or LB"),
        ({"instanceIds": ["cpu9-2-4"]}, "unknown CPU flavor"),
        ({"instanceIds": ["cpu3c-3-6"]}, "power of two"),
        ({"instanceIds": ["cpu3c-0-0"]}, "not a CPU instance"),
        ({"instanceIds": ["cpu3c"]}, "not a CPU instance"),
        ({"instanceIds": None}, "gpuIds or instanceIds"),
        ({"gpuIds": "ADA_24"}, "exactly one of gpu and cpu"),
        ({"workersMax": -1}, "workers.max"),
        ({"scalerType": "OTHER"}, "scaling"),
        ({"networkVolumeId": "nothing"}, "no network volume"),
        ({"template": {"env": "A=1"}}, "env must be a list"),
        ({"id": "nothing"}, "not found"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_input_is_refused_and_makes_nothing(
    graphql: GraphQlClient, emulator: Emulator, changes: dict[str, Any], problem: str
) -> None:
    assert problem in graphql.error(SAVE % "id", input={**INPUT, **changes})
    assert endpoints(emulator) == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("{ deployCpuPod(input: {}) { id } }", "no GraphQL operation 'deployCpuPod'"),
        ("mutation { deleteEndpoint(id: 1) deployCpuPod }", "no GraphQL operation 'deployCpuPod'"),
        ("{ myself { endpoints } }", "needs a selection"),
        ("{ myself { endpoints { other } } }", "'other' of 'endpoints' is not known"),
        ("{ ", "ends too early"),
    ],
)
def test_what_is_not_known_is_named(
    graphql: GraphQlClient, query: str, problem: str, emulator: Emulator
) -> None:
    emulator.create()
    assert problem in graphql.error(query)


def test_a_field_that_is_not_known_saves_nothing(
    graphql: GraphQlClient, emulator: Emulator
) -> None:
    assert "'other'" in graphql.error(SAVE % "id other", input=INPUT)
    assert endpoints(emulator) == []


def test_the_key_is_needed_as_a_bearer(emulator: Emulator) -> None:
    url, body = f"{emulator.origin}/api/graphql", {"query": "{ myself { secrets { id } } }"}
    for headers in ({}, {"Authorization": KEY}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(url, json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["message"]
    assert httpx.post(f"{url}?api_key={KEY}", json=body).status_code == 401


def test_a_large_request_is_refused(graphql: GraphQlClient) -> None:
    assert "larger than" in graphql.error("{ myself { secrets { id } } } #" + "x" * 1_000_000)
