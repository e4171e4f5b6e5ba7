def test_both(client):
    assert client.get("/both/Word").json() == ["WORD", "word"]
