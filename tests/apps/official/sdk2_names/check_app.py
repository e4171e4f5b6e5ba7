def test_names(client):
    assert client.get("/names").json() == {"count": 4, "deployed": False}
