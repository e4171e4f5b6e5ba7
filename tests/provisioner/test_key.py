"""The Runpod key stands nowhere in what is shown, written down, sent, or given to workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import (
    CannotTravelError,
    ConfigurationError,
    FlashError,
    FlashWarning,
    SettingsError,
)
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.shipping.payload import Shipping
from pytest_flash.project import find_project
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.discover import discover
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner, choose_namespace
from pytest_flash.resources import (
    CpuLiveServerless,
    LiveLoadBalancer,
    LiveServerless,
    NetworkVolume,
    PodTemplate,
    ServerlessResource,
)
from pytest_flash.runner.app.options import RunOptions, address
from pytest_flash.runpod import ManagementClient
from pytest_flash.settings import Environment
from tests.runpod.scripted import ScriptedServer, scripted
from tests.support.environment import LIVE_IMAGES

KEY = "rpa_THEUSERSOWNRUNPODKEY0123456789"


def exporting(**variables: str) -> Environment:
    return Environment({**LIVE_IMAGES, **variables})


EXPORTED = exporting(RUNPOD_API_KEY=KEY)
SHOP = Owner("shop", "default")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as made:
        yield made


@pytest.fixture
def wanted(server: ScriptedServer) -> Iterator[Callable[..., Mapping[str, Any]]]:
    """The request that makes a resource's endpoint; an account that a volume would be made on."""
    with ManagementClient(server.embedded) as client:
        volumes = AccountVolumes(client, create=True)

        def request(
            resource: ServerlessResource,
            environment: Environment = EXPORTED,
            owner: Owner = SHOP,
        ) -> Mapping[str, Any]:
            specification = EndpointSpecification(owner, environment, volumes, live=True)
            specification.drafted(resource, "main.py")
            return specification.wanted(resource, "main.py").request

        yield request


def template(**fields: Any) -> LiveServerless:
    return LiveServerless(name="gpu", template=PodTemplate(**fields))


HIDING_PLACES: dict[str, Callable[[], ServerlessResource]] = {
    "name": lambda: LiveServerless(name=KEY),
    "env.TOKEN": lambda: LiveServerless(name="gpu", env={"TOKEN": f"Bearer {KEY}"}),
    "env.[the API key]": lambda: LiveServerless(name="gpu", env={KEY: "1"}),
    "networkVolumeId": lambda: LiveServerless(name="gpu", networkVolumeId=KEY),
    "networkVolume.name": lambda: CpuLiveServerless(
        name="cpu", networkVolume=NetworkVolume(name=f"data-{KEY}")
    ),
    "networkVolume.id": lambda: LiveLoadBalancer(
        name="lb", networkVolume=NetworkVolume(id=KEY, name="data")
    ),
    "templateId": lambda: LiveServerless(name="gpu", templateId=KEY),
    "template.name": lambda: template(name=KEY),
    "template.imageName": lambda: template(imageName=f"docker.io/me/x:{KEY}"),
    "template.dockerArgs": lambda: template(dockerArgs=f"--key {KEY}"),
    "template.env.TOKEN": lambda: template(env={"TOKEN": KEY}),
    "template.env.[the API key]": lambda: template(env={KEY: "x"}),
    "template.containerRegistryAuthId": lambda: template(containerRegistryAuthId=KEY),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("source", ["process", "dotenv"])
def test_the_key_is_refused_anywhere_in_a_resource_before_anything_is_sent(
    wanted: Callable[..., Any], server: ScriptedServer, place: str, source: str
) -> None:
    dotenv = Environment(LIVE_IMAGES, {"RUNPOD_API_KEY": KEY})
    environment = EXPORTED if source == "process" else dotenv
    resource = HIDING_PLACES[place]()
    with pytest.raises(ConfigurationError, match="contains the Runpod API key") as caught:
        wanted(resource, environment)
    assert f"main.py: {place} of " in str(caught.value)
    assert KEY not in str(caught.value)
    assert not server.requests
    with pytest.raises(ConfigurationError, match="contains the Runpod API key") as caught:
        discover([spec(resource)], key=environment.key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("owner", [Owner(f"shop-{KEY}", "default"), Owner("shop", KEY)])
def test_the_key_is_refused_in_the_owners_mark(wanted: Callable[..., Any], owner: Owner) -> None:
    with pytest.raises(ConfigurationError, match="contains the Runpod API key") as caught:
        wanted(LiveServerless(name="gpu"), owner=owner)
    assert KEY not in str(caught.value)


_TEXTS = st.text("ab/:-", max_size=3)


@given(_TEXTS, _TEXTS, st.sampled_from(["imageName", "dockerArgs", "env"]))
def test_whatever_stands_around_it(before: str, after: str, field: str) -> None:
    text = before + KEY + after
    resource = template(**{field: {"A": text} if field == "env" else text})
    with pytest.raises(ConfigurationError) as caught:
        discover([spec(resource)], key=KEY)
    assert KEY not in str(caught.value)


def test_other_values_are_taken(wanted: Callable[..., Any]) -> None:
    resource = LiveServerless(name="gpu", env={"TOKEN": "another"})
    for environment in (EXPORTED, exporting()):
        assert wanted(resource, environment)["env"]["TOKEN"] == "another"


def test_a_word_in_the_keys_place_is_found_only_where_it_is_all(
    wanted: Callable[..., Any],
) -> None:
    environment = exporting(RUNPOD_API_KEY="test")
    wanted(LiveServerless(name="test-gpu", env={"MODE": "testing"}), environment)
    with pytest.raises(ConfigurationError, match=r"env\.TOKEN"):
        wanted(LiveServerless(name="gpu", env={"TOKEN": "test"}), environment)


@pytest.mark.parametrize(
    ("variable", "use"),
    [
        ("FLASH_HOST", lambda found: address(RunOptions(), found)),
        ("FLASH_PORT", lambda found: address(RunOptions(), found)),
        ("FLASH_NAMESPACE", lambda found: choose_namespace(None, found, live=True)),
        ("FLASH_GPU_IMAGE", None),
        ("FLASH_IMAGE_TAG", None),
    ],
)
def test_the_key_is_refused_in_settings_before_they_are_used_or_shown(
    wanted: Callable[..., Any], variable: str, use: Callable[[Environment], object] | None
) -> None:
    found = exporting(**{"RUNPOD_API_KEY": KEY, variable: f"x{KEY}"})
    with pytest.raises(SettingsError, match=f"{variable} .environment. holds the value") as caught:
        use(found) if use is not None else wanted(LiveServerless(name="gpu"), found)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LiveServerless(name=f"{KEY}!"),
        lambda: LiveServerless(name=KEY * 5),
        lambda: LiveServerless(name=f"{'x' * 140}{KEY}", workersMin=-1),
        lambda: LiveServerless(name="gpu", workersMin=KEY),  # type: ignore[arg-type]
        lambda: LiveServerless(name="gpu", gpus=[KEY]),
        lambda: LiveServerless(name="gpu", datacenter=KEY),
        lambda: LiveServerless(name="gpu", env={f"{KEY}-": "x"}),
        lambda: LiveServerless(name="gpu", **{KEY: 1}),  # type: ignore[arg-type]
        lambda: LiveServerless(name="gpu", networkVolume=NetworkVolume(name=f"{KEY}!")),
        lambda: LiveServerless(name="gpu", template=KEY),  # type: ignore[arg-type]
        lambda: PodTemplate(ports=KEY),
        lambda: PodTemplate.model_validate(KEY),
    ],
)
def test_no_error_of_a_configuration_shows_the_key(
    make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    with pytest.raises((FlashError, FlashWarning)) as caught:
        make()
    for length in range(8, len(KEY) + 1):
        assert KEY[:length] not in str(caught.value)


def spec(resource: ServerlessResource, *dependencies: str) -> FunctionSpec:
    def function() -> None: ...

    return FunctionSpec(function, resource, dependencies, (), True, __file__, 1)


@pytest.mark.parametrize("dependency", [f"x @ https://me:{KEY}@example.com/x.whl", KEY])
def test_the_key_is_refused_among_dependencies(dependency: str) -> None:
    with pytest.raises(CannotTravelError, match="a dependency of function contains") as caught:
        Shipping([KEY]).prepare(spec(LiveServerless(name="gpu"), dependency))
    assert KEY not in str(caught.value)


def test_a_folder_called_like_the_key_is_refused_with_the_project(
    wanted: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / KEY
    folder.mkdir()
    with pytest.raises(ConfigurationError, match=r"env\.PYTEST_FLASH_OWNER") as caught:
        wanted(LiveServerless(name="gpu"), owner=Owner(find_project(folder).name))
    assert KEY not in str(caught.value)
