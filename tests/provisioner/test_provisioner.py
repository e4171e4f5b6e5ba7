"""Resources and endpoints, on a real emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.emulator.client import EmulatorProcess
from pytest_flash.errors import (
    AuthenticationError,
    ProvisioningError,
    RunpodApiError,
    SettingsError,
)
from pytest_flash.events import EndpointReady, EndpointRemoved, Event
from pytest_flash.provisioner.images import image_for
from pytest_flash.provisioner.provisioner import Owner, Provisioner
from pytest_flash.resources import ServerlessResource
from pytest_flash.runpod import ManagementClient
from pytest_flash.settings import Environment
from pytest_flash.target import Target, embedded


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with EmulatorProcess.start(tmp_path_factory.mktemp("project")) as emulator:
        yield embedded(
            emulator.management_url, emulator.queue_url, emulator.api_key, "a test asked"
        )


@pytest.fixture
def client(target: Target) -> Iterator[ManagementClient]:
    with ManagementClient(target) as client:
        yield client
        for endpoint in client.endpoints():
            client.delete(endpoint.id)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def provisioner(client: ManagementClient, events: list[Event]) -> Callable[..., Provisioner]:
    def make(project: str = "shop", namespace: str = "default") -> Provisioner:
        owner = Owner(project, namespace)
        return Provisioner(
            client, owner=owner, environment=Environment({}), live=False, on_event=events.append
        )

    return make


Make = Callable[..., Provisioner]


def actions(events: list[Event]) -> list[str]:
    return [event.action for event in events if isinstance(event, EndpointReady)]


def test_an_endpoint_is_created_with_name_image_and_owner(
    provisioner: Make, client: ManagementClient
) -> None:
    made = provisioner().ensure(LiveServerless(name="gpu", env={"MODE": "fast"}))

    found = client.endpoint(made.id)
    assert found.name == "live-gpu"
    assert found.env == {"MODE": "fast", "PYTEST_FLASH_OWNER": "shop/default"}
    assert found.document()["image"].startswith("runpod/flash:py3.")


def test_a_namespace_is_part_of_name_and_owner(provisioner: Make) -> None:
    made = provisioner("shop", "ci1").ensure(LiveServerless(name="gpu"))
    assert made.name == "live-ci1-gpu"
    assert made.env["PYTEST_FLASH_OWNER"] == "shop/ci1"


def test_an_equal_endpoint_is_reused(provisioner: Make, events: list[Event]) -> None:
    resource = LiveServerless(name="gpu")
    first = provisioner().ensure(resource)
    assert provisioner().ensure(resource).id == first.id
    assert actions(events) == ["created", "reused"]


def test_a_changed_resource_updates_its_endpoint(
    provisioner: Make, client: ManagementClient, events: list[Event]
) -> None:
    first = provisioner().ensure(LiveServerless(name="gpu", workersMax=1))
    again = provisioner().ensure(LiveServerless(name="gpu", workersMax=2, env={"A": "1"}))

    assert again.id == first.id
    assert client.endpoint(first.id).document()["workers"]["max"] == 2
    assert client.endpoint(first.id).env["A"] == "1"
    assert actions(events) == ["created", "updated"]


def test_another_compute_family_takes_a_new_endpoint(
    provisioner: Make, client: ManagementClient, events: list[Event]
) -> None:
    first = provisioner().ensure(LiveServerless(name="worker"))
    second = provisioner().ensure(CpuLiveServerless(name="worker"))

    assert [endpoint.id for endpoint in client.endpoints()] == [second.id]
    assert second.id != first.id
    assert actions(events) == ["created", "recreated"]


@pytest.mark.parametrize("owner", ["other/default", "shop/ci1", None])
def test_what_belongs_to_another_is_refused_and_left_alone(
    provisioner: Make, client: ManagementClient, owner: str | None
) -> None:
    provisioner().ensure(LiveServerless(name="gpu"))
    made = client.endpoints()[0]
    client.update(made.id, {"env": {"PYTEST_FLASH_OWNER": owner} if owner else {}})
    before = client.endpoint(made.id)

    with pytest.raises(ProvisioningError, match="live-gpu") as caught:
        provisioner().ensure(LiveServerless(name="gpu", workersMax=1))

    assert (repr(owner) if owner else "not created by pytest-flash") in str(caught.value)
    assert client.endpoints() == [before]


def test_a_hundred_first_calls_at_once_create_one_endpoint(
    provisioner: Make, client: ManagementClient
) -> None:
    shared = provisioner()
    with ThreadPoolExecutor(100) as pool:
        made = list(pool.map(lambda _: shared.ensure(LiveServerless(name="gpu")), range(100)))
    assert len({endpoint.id for endpoint in made}) == 1
    assert len(client.endpoints()) == 1


def test_one_failure_leaves_the_others_and_names_itself(
    provisioner: Make, client: ManagementClient
) -> None:
    provisioner("other").ensure(LiveServerless(name="b"))
    resources = [LiveServerless(name=name) for name in "abc"]

    with pytest.raises(ProvisioningError, match=r"1 of 3 endpoints .*\n  b: .*other/default"):
        provisioner().ensure_all(resources)
    assert {each.name for each in client.endpoints()} == {"live-a", "live-b", "live-c"}


def test_what_was_created_and_nothing_else_can_be_removed(
    provisioner: Make, client: ManagementClient, events: list[Event]
) -> None:
    provisioner().ensure(LiveServerless(name="old"))
    mine = provisioner()
    mine.ensure_all([LiveServerless(name="old"), LiveServerless(name="new")])

    assert mine.remove_created() == []

    assert [endpoint.name for endpoint in client.endpoints()] == ["live-old"]
    assert [each.name for each in events if isinstance(each, EndpointRemoved)] == ["live-new"]


def test_removing_what_is_already_gone_succeeds(
    provisioner: Make, client: ManagementClient
) -> None:
    mine = provisioner()
    client.delete(mine.ensure(LiveServerless(name="gpu")).id)
    assert mine.remove_created() == []


def test_an_endpoint_that_is_gone_is_made_again(
    provisioner: Make, client: ManagementClient
) -> None:
    mine, resource = provisioner(), LiveServerless(name="gpu")
    first = mine.ensure(resource)
    client.delete(first.id)

    assert mine.ensure(resource).id == first.id
    second = mine.ensure(resource, gone=first)

    assert second.id != first.id
    assert client.endpoint(second.id).name == "live-gpu"


def test_a_wrong_key_is_an_error_without_the_key(target: Target) -> None:
    wrong = embedded(target.management_url, target.queue_url, "not-the-key", "a test asked")
    refusal = pytest.raises(AuthenticationError, match=r"GET .*/v2/serverless: 401")
    with ManagementClient(wrong) as client, refusal as caught:
        client.endpoints()
    assert "not-the-key" not in str(caught.value)


def test_a_refused_request_says_why(client: ManagementClient) -> None:
    with pytest.raises(RunpodApiError) as caught:
        client.create({"name": "x"})
    assert caught.value.status == 422
    assert caught.value.title
    assert caught.value.detail


GPU, CPU = LiveServerless(name="g"), CpuLiveServerless(name="c")


@pytest.mark.parametrize(
    ("resource", "process", "expected"),
    [
        (GPU, {}, "runpod/flash:py{python}-latest"),
        (CPU, {}, "runpod/flash-cpu:py{python}-latest"),
        (GPU, {"FLASH_IMAGE_TAG": "1.2"}, "runpod/flash:py{python}-1.2"),
        (GPU, {"FLASH_GPU_IMAGE": "mine:1"}, "mine:1"),
        (CPU, {"FLASH_GPU_IMAGE": "mine:1"}, "runpod/flash-cpu:py{python}-latest"),
        (CPU, {"FLASH_CPU_IMAGE": "mine:2"}, "mine:2"),
    ],
)
def test_the_image_follows_kind_python_and_overrides(
    resource: ServerlessResource, process: dict[str, str], expected: str
) -> None:
    image = image_for(resource, Environment(process), live=True, python=(3, 12))
    assert image == expected.format(python="3.12")


def test_the_embedded_runpod_takes_the_official_image_whatever_replaces_it() -> None:
    image = image_for(GPU, Environment({"FLASH_GPU_IMAGE": "mine:1"}), live=False, python=(3, 12))
    assert image == "runpod/flash:py3.12-latest"


@pytest.mark.parametrize("python", [(3, 9), (3, 14)])
def test_live_needs_a_python_that_has_an_image(python: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="FLASH_GPU_IMAGE"):
        image_for(GPU, Environment({}), live=True, python=python)
    assert image_for(GPU, Environment({}), live=False, python=python)
    assert image_for(GPU, Environment({"FLASH_GPU_IMAGE": "x"}), live=True, python=python) == "x"
