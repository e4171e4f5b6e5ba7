"""pytest-recording, which is vcrpy's: a cassette holds what the app sends, and no key of ours."""

from pathlib import Path

import httpx
import pytest


@pytest.mark.vcr(record_mode="all")
def test_a_cassette_has_nothing_of_ours(flash_client, flash_emulator, flash_session, httpserver):
    httpserver.expect_request("/there").respond_with_data("hello")
    assert httpx.get(httpserver.url_for("/there")).text == "hello"
    assert flash_client.get("/linger/1.3").json() == 1.3
    assert flash_emulator.endpoints()


def test_the_cassette():
    texts = [each.read_text() for each in Path(__file__).parent.rglob("*.yaml")]
    assert any("/there" in each for each in texts)
    assert not any("earer" in each or "runsync" in each or "/linger" in each for each in texts)
