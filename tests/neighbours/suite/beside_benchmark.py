def test_a_call(benchmark, flash_client):
    answer = benchmark.pedantic(flash_client.get, ["/double/2"], rounds=3)
    assert answer.json() == {"value": 4}
