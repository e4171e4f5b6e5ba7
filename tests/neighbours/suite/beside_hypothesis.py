from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.integers()))
def test_without_ours(numbers):
    assert len(sorted(numbers)) == len(numbers)


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(x=st.integers(-1000, 1000))
def test_any_number(flash_client, x):
    assert flash_client.get(f"/double/{x}").json() == {"value": 2 * x}
