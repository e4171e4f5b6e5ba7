"""The test modules that take longest: they begin first, so that none of them ends alone.

A module's tests stay in one process of the run. The order costs or saves time, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

_LONGEST_FIRST = (
    "conformance/test_project_shapes.py",
    "test_live_path.py",
    "cli/test_provisioning.py",
    "provisioner/test_processes.py",
    "cli/test_run.py",
    "plugin/runs/test_broken_runs.py",
    "plugin/runs/test_endings.py",
    "cli/test_reload_fork.py",
    "conformance/test_served_guests.py",
    "console/test_flash_run.py",
    "cli/test_reload_edits.py",
    "cli/test_stopped_parent.py",
    "cli/test_bad_input.py",
    "emulator/scheduler/test_workers.py",
    "plugin/runs/test_xdist.py",
    "plugin/runs/test_usage_errors.py",
    "functions/calling/test_calls.py",
    "cli/test_deaths.py",
    "functions/output/test_forging.py",
    "cli/test_full_pipes.py",
    "plugin/fixtures/test_jobs.py",
    "plugin/fixtures/test_failures.py",
    "plugin/guides/test_guide.py",
    "functions/calling/test_cancelling.py",
    "functions/calling/test_hostile_jobs.py",
    "emulator/balancer/test_load_balancer.py",
    "emulator/worker/test_hermetic.py",
    "conformance/test_workers.py",
    "plugin/test_beside.py",
    "runpod/test_transport.py",
    "runpod/test_endless.py",
    "plugin/runs/test_xdist_ended.py",
    "test_typing.py",
    "plugin/test_edits.py",
    "emulator/worker/test_job_loop.py",
    "emulator/queue/test_queue.py",
)


def slowest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """``items``, those of the slowest modules in front; else their order stays."""
    ranks = {name: rank for rank, name in enumerate(_LONGEST_FIRST)}
    root = items[0].config.rootpath / "tests" if items else None

    def rank(item: pytest.Item) -> int:
        if root is None or not item.path.is_relative_to(root):
            return len(ranks)
        return ranks.get(item.path.relative_to(root).as_posix(), len(ranks))

    return sorted(items, key=rank)
