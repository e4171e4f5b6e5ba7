from main import double


def test_a_made_up_number(flash_endpoints, faker):
    number = faker.random_int()
    assert double.blocking(number) == 2 * number
