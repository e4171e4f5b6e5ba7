"""Network volumes, against Runpod's own schema, and as workers see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_flash.runpod import ManagementClient
from pytest_flash.target import Target, TargetKind
from tests.emulator.harness import KEY, Emulator

PATH = "/v2/network-volumes"
BODY: dict[str, Any] = {"name": "data", "size": 50, "dataCenter": "EU-RO-1"}


def check(document: Any, name: str, schema: dict[str, Any]) -> None:
    whole = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
    jsonschema.Draft202012Validator(whole).validate(document)


@pytest.fixture(autouse=True)
def no_volume_is_left(emulator: Emulator) -> Iterator[None]:
    yield
    for volume in emulator.management.get(PATH).json()["networkVolumes"]:
        assert emulator.management.delete(f"{PATH}/{volume['id']}").status_code == 204


def make(emulator: Emulator, **changes: Any) -> dict[str, Any]:
    answer = emulator.management.post(PATH, json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def volume_path(emulator: Emulator, endpoint: str) -> str | None:
    env = emulator.call(endpoint, do="environ")["output"]["env"]
    path: str | None = env.get("RUNPOD_VOLUME_PATH")
    return path


def test_volumes_read_as_the_schema_says(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    body = {**BODY, "type": "HIGH_PERFORMANCE"}
    check(body, "CreateNetworkVolumeRequest", rest_schema)
    created = emulator.management.post(PATH, json=body)
    assert created.status_code == 201
    check(created.json(), "NetworkVolume", rest_schema)
    assert created.json() == {**body, "id": created.json()["id"]}
    assert emulator.management.get(f"{PATH}/{created.json()['id']}").json() == created.json()
    listed = emulator.management.get(PATH).json()
    check(listed, "ListNetworkVolumesResponse", rest_schema)
    assert listed == {"networkVolumes": [created.json()]}


def test_names_need_not_differ_and_ids_do(emulator: Emulator) -> None:
    assert make(emulator)["id"] != make(emulator)["id"]


def test_the_tier_is_standard_unless_given(emulator: Emulator) -> None:
    assert make(emulator)["type"] == "STANDARD"


@pytest.mark.parametrize("size", [10, 4096])
def test_the_bounds_of_a_size_belong_to_it(emulator: Emulator, size: int) -> None:
    assert make(emulator, size=size)["size"] == size


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": ""}, "$.name"),
        ({"name": None}, "$.name"),
        ({"size": 9}, "$.size"),
        ({"size": 4097}, "$.size"),
        ({"size": "50"}, "$.size"),
        ({"size": 50.5}, "$.size"),
        ({"size": True}, "$.size"),
        ({"dataCenter": ""}, "$.dataCenter"),
        ({"dataCenterId": "EU-RO-1"}, "$.dataCenterId"),
        ({"type": "FAST"}, "$.type"),
        ({"type": None}, "$.type"),
    ],
)
def test_creations_against_the_schema_are_unprocessable(
    emulator: Emulator, rest_schema: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    body = {**BODY, **change}
    with pytest.raises(jsonschema.ValidationError):
        check(body, "CreateNetworkVolumeRequest", rest_schema)
    answer = emulator.management.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    check(answer.json(), "ErrorResponse", rest_schema)
    assert any(problem in text for text in answer.json()["errors"]), answer.text


@pytest.mark.parametrize("missing", BODY)
def test_name_size_and_data_center_are_required(emulator: Emulator, missing: str) -> None:
    body = {key: value for key, value in BODY.items() if key != missing}
    answer = emulator.management.post(PATH, json=body)
    assert answer.status_code == 422
    assert any(f"$.{missing}" in text for text in answer.json()["errors"])


def test_an_unknown_data_center_is_a_bad_request(
    emulator: Emulator, rest_schema: dict[str, Any]
) -> None:
    answer = emulator.management.post(PATH, json={**BODY, "dataCenter": "EU-XX-9"})
    assert answer.status_code == 400
    check(answer.json(), "ErrorResponse", rest_schema)
    assert "'EU-XX-9'" in answer.json()["detail"]
    assert "EU-RO-1" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_that_is_not_json_is_a_bad_request(emulator: Emulator, body: bytes) -> None:
    path = f"{PATH}/{make(emulator)['id']}"
    assert emulator.management.post(PATH, content=body).status_code == 400
    assert emulator.management.patch(path, content=body).status_code == 400


@pytest.mark.parametrize(
    "patch", [{"name": "m"}, {"size": 51}, {"size": 50}, {"name": "m", "size": 99}]
)
def test_a_patch_changes_what_it_names(
    emulator: Emulator, rest_schema: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = make(emulator)
    check(patch, "UpdateNetworkVolumeRequest", rest_schema)
    answer = emulator.management.patch(f"{PATH}/{before['id']}", json=patch)
    assert answer.status_code == 200
    check(answer.json(), "NetworkVolume", rest_schema)
    assert answer.json() == {**before, **patch}
    assert emulator.management.get(f"{PATH}/{before['id']}").json() == answer.json()


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"name": ""},
        {"name": None},
        {"size": None},
        {"size": 5000},
        {"type": "STANDARD"},
        {"dataCenter": "US-KS-2"},
    ],
)
def test_patches_against_the_schema_change_nothing(
    emulator: Emulator, rest_schema: dict[str, Any], patch: dict[str, Any]
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(patch, "UpdateNetworkVolumeRequest", rest_schema)
    before = make(emulator)
    answer = emulator.management.patch(f"{PATH}/{before['id']}", json=patch)
    assert answer.status_code == 422
    check(answer.json(), "ErrorResponse", rest_schema)
    assert answer.json()["errors"]
    assert emulator.management.get(f"{PATH}/{before['id']}").json() == before


def test_a_volume_does_not_shrink(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    before = make(emulator)
    patch = {"name": "m", "size": 49}
    answer = emulator.management.patch(f"{PATH}/{before['id']}", json=patch)
    assert answer.status_code == 400
    check(answer.json(), "ErrorResponse", rest_schema)
    assert "from 50 GB to 49 GB" in answer.json()["detail"]
    assert emulator.management.get(f"{PATH}/{before['id']}").json() == before


def test_a_deleted_volume_is_gone(emulator: Emulator, rest_schema: dict[str, Any]) -> None:
    path = f"{PATH}/{make(emulator)['id']}"
    deleted = emulator.management.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (
        emulator.management.get(path),
        emulator.management.delete(path),
        emulator.management.patch(path, json={"name": "x"}),
    ):
        assert answer.status_code == 404
        check(answer.json(), "ErrorResponse", rest_schema)


def test_an_endpoint_cannot_have_an_unknown_volume(
    emulator: Emulator, rest_schema: dict[str, Any]
) -> None:
    volume = make(emulator)["id"]
    endpoint = f"/v2/serverless/{emulator.create(networkVolumes=[volume])}"
    before = emulator.management.get(endpoint).json()
    assert before["networkVolumes"] == [volume]
    body = {key: before[key] for key in ("name", "type", "image", "scaling")}
    body |= {"cpu": [{"id": "cpu3c", "vcpuCount": 2}], "networkVolumes": [volume, "nowhere"]}
    for answer in (
        emulator.management.post("/v2/serverless", json=body),
        emulator.management.patch(endpoint, json={"name": "m", "networkVolumes": ["nowhere"]}),
    ):
        assert answer.status_code == 400
        check(answer.json(), "ErrorResponse", rest_schema)
        assert "'nowhere'" in answer.json()["detail"]
    assert emulator.management.get("/v2/serverless").json() == {"endpoints": [before]}


def test_an_endpoint_takes_and_leaves_volumes(emulator: Emulator) -> None:
    volume = make(emulator)["id"]
    endpoint = f"/v2/serverless/{emulator.create()}"
    for volumes in ([volume], []):
        answer = emulator.management.patch(endpoint, json={"networkVolumes": volumes})
        assert answer.json()["networkVolumes"] == volumes


def test_workers_of_one_volume_share_a_folder_that_outlives_them(emulator: Emulator) -> None:
    first, second = make(emulator)["id"], make(emulator)["id"]
    one = emulator.create(networkVolumes=[first])
    path = volume_path(emulator, one)
    assert path is not None
    folder = Path(path)
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "model").write_text("weights")
    emulator.management.delete(f"/v2/serverless/{one}")
    assert volume_path(emulator, emulator.create(networkVolumes=[first, second])) == path
    assert volume_path(emulator, emulator.create(networkVolumes=[second])) != path
    assert volume_path(emulator, emulator.create()) is None
    assert (folder / "model").read_text() == "weights"


def test_what_was_on_a_deleted_volume_is_deleted(emulator: Emulator) -> None:
    volume = make(emulator)["id"]
    endpoint = emulator.create(networkVolumes=[volume])
    path = volume_path(emulator, endpoint)
    assert path is not None
    (Path(path) / "folder").mkdir()
    (Path(path) / "folder" / "file").write_text("x")
    assert emulator.management.delete(f"{PATH}/{volume}").status_code == 204
    assert not Path(path).exists()
    # The endpoint keeps its configuration; a worker that starts now has no such folder.
    emulator.management.patch(f"/v2/serverless/{endpoint}", json={"env": {"NEW": "version"}})
    assert volume_path(emulator, endpoint) is None
    assert emulator.management.get(f"/v2/serverless/{endpoint}").json()["networkVolumes"] == [
        volume
    ]


def test_our_client_makes_and_finds_volumes(emulator: Emulator) -> None:
    target = Target(
        TargetKind.EMULATOR, f"{emulator.origin}/api", f"{emulator.origin}/queue/v2", KEY, "a test"
    )
    with ManagementClient(target) as client:
        made = client.create_network_volume("data", 20, "US-KS-2")
        assert client.network_volumes() == [made]
    assert (made.name, made.size, made.data_center) == ("data", 20, "US-KS-2")
    assert made.type == "STANDARD"
