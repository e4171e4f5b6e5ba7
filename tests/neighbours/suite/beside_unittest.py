"""unittest's test cases, as Django has them, and pytest-timeout."""

import unittest

import pytest
from main import double


@pytest.mark.usefixtures("flash_endpoints")
class TestCalls(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _client(self, flash_client, flash_jobs):
        self.client, self.jobs = flash_client, flash_jobs

    def test_a_client(self):
        self.assertEqual(self.client.get("/double/2").json(), {"value": 4})
        self.assertEqual(len(self.jobs), 1)

    @pytest.mark.timeout(60, method="thread")
    def test_blocking(self):
        self.assertEqual(double.blocking(2), 4)


@pytest.mark.usefixtures("flash_endpoints")
class TestAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.timeout(60, method="signal")
    async def test_awaited(self):
        self.assertEqual(await double(3), 6)
