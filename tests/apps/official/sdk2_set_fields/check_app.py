def test_settings(client):
    assert client.get("/settings").json() == {"LEVEL": "7", "RUNPOD_API_KEY": None}
