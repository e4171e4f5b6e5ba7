"""Orphans that come to `flash run`: which it ends, and which it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has subreapers")

PROGRAM = """\
import os, signal, subprocess, sys, time
from pathlib import Path
from pytest_flash.process.orphans import Adopted, children_of

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

def until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, (
            what, [(pid, Path(f"/proc/{pid}/stat").read_text()) for pid in (*everything, ended)]
        )
        time.sleep(0.01)

before = sleeper()
adopted = Adopted()
own = sleeper()
stray = orphan(["sleep", "600"])
elsewhere = orphan(["sleep", "600"], start_new_session=True)
ended = orphan(["true"], start_new_session=True)
everything = {before.pid, own.pid, stray, elsewhere}
try:
    until(lambda: everything <= children_of(os.getpid()), "the orphans to come here")
    adopted.end({own.pid})
    assert children_of(os.getpid()) == everything - {stray}
    assert not alive(stray)
    everything.discard(stray)
    until(lambda: adopted.reap() or not alive(ended), "the end of a zombie")
    assert before.poll() is None and own.poll() is None
    nested = Adopted()
    nested.close()
    here = orphan(["sleep", "600"])
    everything.add(here)
    until(lambda: here in children_of(os.getpid()), "the orphan to come here still")
    adopted.close()
    gone = orphan(["sleep", "600"])
    everything.add(gone)
    assert gone not in children_of(os.getpid())
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
