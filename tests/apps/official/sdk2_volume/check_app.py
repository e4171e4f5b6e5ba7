import os
import sys


def test_remember(client):
    answer = client.get("/remember/apple").json()
    if sys.platform == "linux" and os.geteuid() == 0:
        assert answer == {"note": "apple"}
    else:
        assert "RUNPOD_VOLUME_PATH" in answer["error"]
