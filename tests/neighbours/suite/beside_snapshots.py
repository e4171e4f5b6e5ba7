"""syrupy."""

from syrupy.filters import props


def test_an_answer(flash_client, flash_jobs, snapshot):
    answer = flash_client.get("/double/2").json()
    assert answer == snapshot
    assert [job.status for job in flash_jobs] == snapshot(exclude=props("id"))
