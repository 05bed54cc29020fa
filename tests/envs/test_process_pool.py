"""Workers end with the process that asked for them, whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import on_linux
from places import environment

SCRIPT = """
import os, pathlib, sys, time
from envs.process_pool import in_processes

def work(folder, seconds):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(seconds)

if __name__ == "__main__":
    list(in_processes(work, [(sys.argv[1], 60.0)] * 4, 2))
"""


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    script, marks = tmp_path / "script.py", tmp_path / "marks"
    script.write_text(SCRIPT)
    marks.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(marks)], env=environment())
    wait_until(lambda: len(list(marks.iterdir())) == 2)
    workers = [int(path.name) for path in marks.iterdir()]
    assert all(lives(pid) for pid in workers)
    parent.send_signal(number)
    assert parent.wait() == -number
    wait_until(lambda: not any(lives(pid) for pid in workers), 10.0)
