def test_compute(client):
    assert client.get("/compute/3/4").json() == {"sum": 7, "product": 12}
