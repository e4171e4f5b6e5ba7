import main


def test_a_mocked_handler_part(flash_client, mocker):
    mocked = mocker.patch.object(main, "double", new=mocker.AsyncMock(return_value=5))
    assert flash_client.get("/double/2").json() == {"value": 5}
    mocked.assert_awaited_once_with(2)


def test_a_spied_function(flash_client, mocker):
    spy = mocker.spy(main, "get_double")
    assert flash_client.get("/double/2").json() == {"value": 4}
    assert spy.call_count in (0, 1)
