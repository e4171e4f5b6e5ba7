"""What a resource accepts, and what it says about what it does not."""

from __future__ import annotations

import copy
import difflib
import pickle
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_flash.errors import ConfigurationError
from pytest_flash.resources import (
    CpuInstanceType,
    CpuLiveServerless,
    CudaVersion,
    DataCenter,
    GpuGroup,
    GpuType,
    KeyValuePair,
    LiveServerless,
    NetworkVolume,
    PodTemplate,
    ServerlessResource,
    ServerlessScalerType,
)

# As from code that no type checker sees.
Gpu: Any = LiveServerless
Cpu: Any = CpuLiveServerless
Volume: Any = NetworkVolume
Template: Any = PodTemplate


def problems(make: Callable[..., object], **fields: object) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        make(**fields)
    return str(raised.value).splitlines()


def test_defaults_are_those_of_the_official_sdk() -> None:
    gpu = LiveServerless(name="x")
    assert (gpu.workersMin, gpu.workersMax, gpu.idleTimeout) == (0, 3, 5)
    assert (gpu.executionTimeoutMs, gpu.flashboot, gpu.env) == (0, True, {})
    assert (gpu.scalerType, gpu.scalerValue) == (ServerlessScalerType.QUEUE_DELAY, 4)
    assert (gpu.gpus, gpu.gpuCount, gpu.cudaVersions) == ((GpuGroup.ANY,), 1, ())
    assert gpu.data_centers == (DataCenter.EU_RO_1,)
    assert CpuLiveServerless(name="x").instanceIds == (CpuInstanceType.CPU3G_2_8,)
    volume = NetworkVolume(name="v")
    assert (volume.size, volume.dataCenterId) == (100, DataCenter.EU_RO_1)


def test_texts_stand_for_members() -> None:
    gpu = LiveServerless(
        name="x",
        gpus=["AMPERE_24", "NVIDIA GeForce RTX 4090"],
        scalerType="REQUEST_COUNT",
        datacenter=["US-KS-2"],
        cudaVersions=["12.8"],
    )
    assert gpu.gpus == (GpuGroup.AMPERE_24, GpuType.NVIDIA_GEFORCE_RTX_4090)
    assert [type(each) for each in gpu.gpus] == [GpuGroup, GpuType]
    assert gpu.scalerType is ServerlessScalerType.REQUEST_COUNT
    assert gpu.datacenter == (DataCenter.US_KS_2,)
    assert gpu.cudaVersions == (CudaVersion.V12_8,)
    cpu = CpuLiveServerless(name="x", instanceIds=["cpu3c-2-4"])
    assert cpu.instanceIds == (CpuInstanceType.CPU3C_2_4,)


def test_one_value_stands_for_a_list_of_one() -> None:
    assert LiveServerless(name="x", datacenter=DataCenter.US_KS_2).data_centers == ("US-KS-2",)
    assert LiveServerless(name="x", gpus=GpuGroup.ADA_24).gpus == (GpuGroup.ADA_24,)


def test_texts_with_commas_are_lists_as_in_the_official_sdk() -> None:
    resource = LiveServerless(
        name="x", locations="US-KS-2, EU-RO-1", allowedCudaVersions="12.8,12.1"
    )
    assert resource.data_centers == (DataCenter.US_KS_2, DataCenter.EU_RO_1)
    assert resource.cuda_versions == (CudaVersion.V12_8, CudaVersion.V12_1)
    assert Template(ports="8888/http, 22/tcp").ports == ("8888/http", "22/tcp")


def test_none_means_not_given() -> None:
    resource = Gpu(name="x", gpus=None, env=None, workersMax=None, flashboot=None, template=None)
    assert resource == LiveServerless(name="x")


def test_numbers_may_be_spelled_as_text() -> None:
    assert Gpu(name="x", workersMax="7", idleTimeout=30.0).workersMax == 7


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"workersMin": -1}, "workersMin: -1 is not a whole number of at least 0"),
        ({"workersMax": "many"}, "workersMax: 'many' is not a whole number of at least 0"),
        ({"workersMax": True}, "workersMax: True is not"),
        ({"workersMax": 1.5}, "workersMax: 1.5 is not"),
        ({"workersMin": 4}, "workersMin: 4 is more than workersMax, 3"),
        ({"idleTimeout": 0}, "idleTimeout: 0 is not a whole number from 1 to 3600"),
        ({"idleTimeout": 3601}, "idleTimeout: 3601 is not"),
        ({"executionTimeoutMs": -5}, "executionTimeoutMs: -5 is not"),
        ({"gpuCount": 0}, "gpuCount: 0 is not a whole number of at least 1"),
        ({"scalerValue": 0}, "scalerValue: 0 is not"),
        ({"flashboot": "perhaps"}, "flashboot: 'perhaps' should be a valid boolean"),
        ({"scalerType": "QUEUE"}, "did you mean 'QUEUE_DELAY'?"),
        ({"gpus": ["AMPERE_25"]}, "did you mean 'AMPERE_24'?"),
        ({"gpus": ["rtx 4090"]}, "did you mean 'NVIDIA GeForce RTX 4090'?"),
        ({"gpus": [24]}, "gpus: 24 is not a GPU group or type"),
        ({"datacenter": "EU-RO-11"}, "did you mean 'EU-RO-1'?"),
        ({"locations": "EU-RO-1,Mars"}, "locations: 'Mars' is not a data center (allowed: EU-RO-1"),
        ({"locations": "US-KS-2", "datacenter": "EU-RO-1"}, "locations: differs from datacenter"),
        ({"cudaVersions": ["12.88"]}, "did you mean '12.8'?"),
        (
            {"cudaVersions": ["12.8"], "allowedCudaVersions": "12.1"},
            "allowedCudaVersions: differs from cudaVersions",
        ),
        ({"template": "t"}, "template: must be a PodTemplate, not a str"),
        (
            {"template": PodTemplate(), "templateId": "abc"},
            "templateId: give it or template, not both",
        ),
        ({"templateId": ""}, "templateId: '' is not an id"),
        (
            {"networkVolume": NetworkVolume(name="v"), "networkVolumeId": "abc"},
            "networkVolumeId: names another volume",
        ),
        (
            {"networkVolume": NetworkVolume(name="v"), "datacenter": "US-KS-2"},
            "networkVolume: is in EU-RO-1 and reaches no worker elsewhere",
        ),
        ({"type": "LB"}, "load-balancing ones (LB) LiveLoadBalancer"),
        ({"gpuIds": "ADA_25"}, "did you mean 'ADA_24'?"),
    ],
)
def test_a_bad_value_is_refused_with_the_field_and_what_is_allowed(
    fields: dict[str, object], expected: str
) -> None:
    title, *lines = problems(Gpu, name="app", **fields)
    assert title == "LiveServerless 'app' cannot be used:"
    assert len(lines) == 1
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instanceIds": []}, "names no CPU instance"),
        ({"instanceIds": ["cpu3c-2-5"]}, "did you mean 'cpu3c-2-4'?"),
        (
            {"template": PodTemplate(containerDiskInGb=64)},
            "containerDiskInGb 64 is more than the 20 GB that cpu3g-2-8 allow",
        ),
    ],
)
def test_a_cpu_resource_refuses_what_cpu_workers_cannot_have(
    fields: dict[str, object], expected: str
) -> None:
    title, line = problems(Cpu, name="app", **fields)
    assert title == "CpuLiveServerless 'app' cannot be used:"
    assert expected in line


def test_official_fields_that_say_nothing_are_let_through() -> None:
    official = {"id": None, "type": "QB", "workersPFBTarget": 0, "gpuIds": "", "imageName": ""}
    assert Gpu(name="x", instanceIds=None, **official) == LiveServerless(name="x")
    assert Cpu(name="x", gpus=[], gpuCount=0, **official) == CpuLiveServerless(name="x")


def test_every_problem_is_listed_at_once() -> None:
    lines = problems(Gpu, gpus=["AMPERE_25", "x"], workersMin=-1, workersMxa=2, env={"A B": "c"})
    assert lines[0] == "LiveServerless cannot be used:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "workersMxa",
        "name",
        "workersMin",
        "env",
        "gpus",
    ]
    assert "'AMPERE_25'" in lines[-1]
    assert "'x'" in lines[-1]


def test_problems_of_a_nested_dict_are_listed_under_its_field() -> None:
    lines = problems(Gpu, name="x", workersMin=-1, template={"imageNam": "a", "ports": "99999/tcp"})
    text = "\n".join(lines)
    assert "workersMin: -1" in text
    assert "did you mean 'imageName'?" in text
    assert "'99999/tcp' is not a port" in text


@pytest.mark.parametrize(
    "name", ["gpu", "live-gpu", "a", "Bild-Größe", "llama 3.1", "org/model:8b", "x" * 150]
)
def test_names_that_work(name: str) -> None:
    assert LiveServerless(name=name).name == name


@pytest.mark.parametrize(
    "name", ["", " ", "x ", " x", "-x", "a\nb", "a\tb", "x" * 151, "live-", "live-live-", "a'b", 5]
)
def test_names_that_are_refused(name: object) -> None:
    lines = problems(Gpu, name=name)
    assert lines[1].startswith("  name: ")
    assert max(map(len, lines)) < 260


def test_a_name_is_required() -> None:
    assert problems(Gpu) == ["LiveServerless cannot be used:", "  name: is required"]


def likeness(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other.lower(), word.lower()).ratio()


_OFFERED = [(make, field) for make in (Gpu, Cpu, Volume, Template) for field in make.model_fields]


@given(st.data())
def test_a_keyword_one_slip_away_gets_a_suggestion(data: st.DataObject) -> None:
    make, field = data.draw(st.sampled_from(_OFFERED))
    letters = st.sampled_from(string.ascii_letters + "_")
    at = data.draw(st.integers(0, len(field) - 1))
    slip = data.draw(
        st.one_of(
            letters.map(lambda letter: field[:at] + letter + field[at:]),
            letters.map(lambda letter: field[:at] + letter + field[at + 1 :]),
            st.just(field[:at] + field[at + 1 :]),
        )
    )
    assume(len(field) > 2 and slip not in make.model_fields and slip not in make._refused())
    lines = [line for line in problems(make, **{slip: 1}) if line.startswith(f"  {slip}: ")]
    assert len(lines) == 1
    suggested = lines[0].split("did you mean ")[1].strip("'?")
    assert suggested in make.model_fields
    # Another field may be as near to the slip, none may be nearer.
    assert likeness(slip, suggested) >= likeness(slip, field)


def test_snake_case_gets_the_official_spelling() -> None:
    _, line = problems(Gpu, name="x", workers_max=3)
    assert line == "  workers_max: no such field; did you mean 'workersMax'?"


def test_fields_are_set_until_the_resource_is_used() -> None:
    resource: Any = LiveServerless(name="x")
    resource.workersMax = "7"
    resource.template = PodTemplate(imageName="me/image")
    resource.template.dockerArgs = "-u"
    assert resource == LiveServerless(
        name="x", workersMax=7, template=PodTemplate(imageName="me/image", dockerArgs="-u")
    )
    with pytest.raises(ConfigurationError, match="workersMin: 8 is more than workersMax, 7"):
        resource.workersMin = 8
    with pytest.raises(ConfigurationError, match="LiveServerless has no field 'workers'"):
        resource.workers = 8

    assert resource in {resource}  # As the provisioner uses it.

    with pytest.raises(ConfigurationError, match="workersMax cannot be changed once"):
        resource.workersMax = 9
    with pytest.raises(ConfigurationError, match="dockerArgs cannot be changed once"):
        resource.template.dockerArgs = ""
    with pytest.raises(ConfigurationError, match="workersMax cannot be deleted"):
        del resource.workersMax
    assert resource.workersMax == 7


def test_a_resource_keeps_its_own_copy_of_env() -> None:
    env = {"A": "1"}
    resource = LiveServerless(name="x", env=env)
    env["A"] = "2"
    assert resource.env == {"A": "1"}


@given(st.data())
def test_resources_are_compared_by_value_and_hashable(
    resources: st.SearchStrategy[ServerlessResource], data: st.DataObject
) -> None:
    resource = data.draw(resources)
    again = copy.deepcopy(resource)
    assert again == resource
    assert hash(again) == hash(resource)
    assert pickle.loads(pickle.dumps(resource)) == resource
    assert resource != (Gpu if isinstance(resource, CpuLiveServerless) else Cpu)(name=resource.name)


def test_workers_run_where_the_network_volume_is() -> None:
    volume = NetworkVolume(name="v", dataCenterId="US-KS-2")
    assert LiveServerless(name="x", networkVolume=volume).data_centers == (DataCenter.US_KS_2,)
    assert LiveServerless(name="x", networkVolume=volume, datacenter=[]).data_centers == ()
    somewhere = NetworkVolume(name="v", id="abc12345")
    resource = LiveServerless(name="x", networkVolume=somewhere, datacenter="US-KS-2")
    assert resource.data_centers == (DataCenter.US_KS_2,)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": 9}, "size: 9 is not a whole number from 10 to 4096"),
        ({"size": 4097}, "size: 4097 is not"),
        ({"dataCenterId": "EU-RO-9"}, "did you mean 'EU-RO-1'?"),
        ({"dataCenter": "EU-RO-1"}, "did you mean 'dataCenterId'?"),
        ({"name": ""}, "name: '' is not a name"),
    ],
)
def test_a_bad_network_volume_is_refused(fields: dict[str, object], expected: str) -> None:
    assert expected in "\n".join(problems(Volume, **{"name": "v", **fields}))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ports": "http"}, "'http' is not a port"),
        ({"ports": ["0/tcp"]}, "'0/tcp' is not a port"),
        ({"ports": 80}, "80 is not a list of ports"),
        ({"containerDiskInGb": 0}, "containerDiskInGb: 0 is not"),
        ({"env": [{"key": "A"}]}, "env: item 0 must have a key and a value"),
        ({"env": [{"key": "A", "value": "1"}] * 2}, "env: item 1 repeats the key 'A'"),
    ],
)
def test_a_bad_template_is_refused(fields: dict[str, object], expected: str) -> None:
    assert expected in "\n".join(problems(Template, **fields))


def test_a_template_takes_env_in_every_official_form() -> None:
    for env in (
        {"A": "1"},
        [{"key": "A", "value": "1"}],
        [KeyValuePair(key="A", value="1")],
    ):
        assert Template(env=env).env == {"A": "1"}


def test_members_print_as_their_text_on_every_python() -> None:
    assert f"{GpuGroup.ADA_24} {CpuInstanceType.CPU3C_2_4!s}" == "ADA_24 cpu3c-2-4"
