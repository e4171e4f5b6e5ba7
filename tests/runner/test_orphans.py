"""Orphans that come to `flash run`: which it ends, and which it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has subreapers")

PROGRAM = """\
import os, signal, subprocess, sys, time
from pathlib import Path
from pytest_flash.runner.orphans import Adopted, children_of

def sleeper(**how):
    return subprocess.Popen(["sleep", "600"], **how)

def orphan(command, **how):
    '''A process whose parent has died, which prints its id.'''
    code = (
        f"import subprocess as s; print(s.Popen({command!r}, stdout=s.DEVNULL).pid, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, **how)
    return int(done.stdout)

def alive(pid):
    return Path(f"/proc/{pid}").exists()

before = sleeper()
adopted = Adopted()
own = sleeper()
stray = orphan(["sleep", "600"])
elsewhere = orphan(["sleep", "600"], start_new_session=True)
ended = orphan(["true"], start_new_session=True)
everything = {before.pid, own.pid, stray, elsewhere}
try:
    while not everything <= children_of(os.getpid()):
        time.sleep(0.01)
    adopted.end({own.pid})
    assert children_of(os.getpid()) == everything - {stray}
    assert not alive(stray)
    while alive(ended):
        adopted.reap()
        time.sleep(0.01)
    assert before.poll() is None and own.poll() is None
    print("all is well")
finally:
    for pid in everything:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
"""


def test_what_was_not_started_here_and_is_of_this_session_is_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("all is well\n", "")
