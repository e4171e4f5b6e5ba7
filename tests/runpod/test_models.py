"""What the client reads is what Runpod's documents have."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from pydantic import BaseModel

from pytest_flash.runpod import models
from pytest_flash.wire import documents

READ = {
    models.Endpoint: documents.Endpoint,
    models.Worker: documents.Worker,
    models.WorkerSummary: documents.WorkerSummary,
    models.Workers: documents.Workers,
    models.Volume: documents.NetworkVolume,
    models.GpuListing: documents.GpuType,
    models.GpuPrice: documents.GpuPrice,
    models.CpuType: documents.CpuType,
    models.CpuRange: documents.Vcpus,
    models.CpuPrice: documents.CpuPrice,
}


def test_every_model_is_compared() -> None:
    bases = {BaseModel, models._Answer}
    found = {each for each in vars(models).values() if isinstance(each, type)}
    assert {each for each in found if issubclass(each, BaseModel)} - bases == READ.keys()


@pytest.mark.parametrize("model", READ, ids=lambda model: model.__name__)
def test_the_client_reads_fields_of_the_document(model: type[BaseModel]) -> None:
    named = {field.alias or name for name, field in model.model_fields.items()}
    assert named <= get_type_hints(READ[model]).keys()
