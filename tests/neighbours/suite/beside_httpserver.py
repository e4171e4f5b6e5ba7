def test_a_service_outside(flash_client, httpserver, monkeypatch):
    import httpx

    httpserver.expect_request("/there").respond_with_data("hello")
    assert httpx.get(httpserver.url_for("/there")).text == "hello"
    assert flash_client.get("/double/2").json() == {"value": 4}
