import httpx
import respx


def test_what_the_app_sends_is_mocked_and_ours_is_not(flash_client, flash_emulator, respx_mock):
    respx_mock.get("http://outside.example/").mock(httpx.Response(200, text="mocked"))
    assert flash_client.get("/outside").json() == "mocked"
    assert flash_client.get("/double/2").json() == {"value": 4}


@respx.mock
def test_as_a_decorator(flash_client):
    respx.get("http://outside.example/").mock(httpx.Response(200, text="mocked"))
    assert flash_client.get("/linger/1.3").json() == 1.3
    assert flash_client.get("/outside").json() == "mocked"
