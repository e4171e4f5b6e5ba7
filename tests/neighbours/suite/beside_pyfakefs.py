from pathlib import Path

from main import double


def test_a_first_call_in_a_faked_file_system(flash_endpoints, fs):
    Path("/only/here").mkdir(parents=True)
    assert double.blocking(2) == 4
    assert Path("/only/here").is_dir()


def test_a_client_in_a_faked_file_system(flash_client, fs):
    assert flash_client.get("/double/3").json() == {"value": 6}


def test_files_first(fs, flash_client):
    assert flash_client.get("/double/4").json() == {"value": 8}
