def test_what_the_app_sends_is_mocked_and_ours_is_not(flash_client, flash_jobs, httpx_mock):
    httpx_mock.add_response(url="http://outside.example/", text="mocked")
    assert flash_client.get("/outside").json() == "mocked"
    assert flash_client.get("/double/2").json() == {"value": 4}
    assert flash_client.get("/linger/1.3").json() == 1.3
    assert len(httpx_mock.get_requests()) == 1


def test_faults(flash_client, flash_emulator, httpx_mock):
    httpx_mock.add_response(url="http://outside.example/", text="mocked")
    assert flash_emulator.endpoints()
    assert flash_client.get("/outside").json() == "mocked"
