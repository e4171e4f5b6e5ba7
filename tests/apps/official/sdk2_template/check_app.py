def test_mode(client):
    assert client.get("/mode").json() == {"mode": "fast"}
