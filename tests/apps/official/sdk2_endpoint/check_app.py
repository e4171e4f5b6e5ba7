def test_all(client):
    assert client.get("/all/21").json() == {"double": 42, "length": 4, "factor": 2}
