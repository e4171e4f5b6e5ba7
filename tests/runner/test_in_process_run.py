"""``flash run`` for debuggers, on the app of the guide."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.guides import DEBUGGING_GUIDE, files
from tests.support.runs.flash_run import starting
from tests.support.runs.saving import save


def test_remote_functions_run_in_the_apps_process(tmp_path: Path) -> None:
    source = files(DEBUGGING_GUIDE)["main.py"]
    source = source.replace("    total =", "    import os\n    return os.getpid()\n    total =")
    source += (
        "\n\n@app.get('/pid')\nasync def pid() -> int:\n    import os\n\n    return os.getpid()\n"
    )
    project = tmp_path / "project"
    project.mkdir()
    main = project / "main.py"
    main.write_text(source)
    with starting(tmp_path) as start:
        run = start("--in-process", str(main))
        with httpx.Client(base_url=run.url, trust_env=False) as client:
            first = client.get("/pid").json()
            assert client.post("/ratio", json=[1]).json() == first
            save(main, source + "\n# More.\n")
            run.wait_for("serving generation 2")
            second = client.get("/pid").json()
            assert client.post("/ratio", json=[1]).json() == second != first
        assert (
            "target the app's own process, for debuggers: no workers, no cost (--in-process)"
            in run.output
        )
        assert "time limits and faults do not apply" in run.output
        assert "the embedded Runpod" not in run.output
        assert "ratio #1 on gpu (in this process): completed" in run.output
