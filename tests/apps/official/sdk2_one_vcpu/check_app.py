def test_hello(client):
    assert client.post("/hello", json={"name": "Ada"}).json() == {"message": "Hello, Ada!"}
