import responses


@responses.activate
def test_what_the_app_sends_is_mocked_and_ours_is_not(flash_client, flash_emulator):
    responses.get("http://outside.example/", body="mocked")
    assert flash_client.get("/outside/requests").json() == "mocked"
    assert flash_client.get("/linger/1.3").json() == 1.3
