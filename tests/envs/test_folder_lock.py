"""One writer a folder: the second is refused by name or waits, a dead one's lock is taken over."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import environment

from envs.folder_lock import LOCK_NAME, FolderInUseError, lock_folder

HOLD = (
    "import pathlib, sys, time\n"
    "from envs.folder_lock import lock_folder\n"
    "with lock_folder(pathlib.Path(sys.argv[1])):\n"
    "    print('locked', flush=True)\n"
    "    time.sleep(float(sys.argv[2]))\n"
)


@pytest.fixture
def holder(tmp_path: Path):
    """Starts a process that locks the folder for so many seconds."""
    processes = []

    def start(seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(seconds)]
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path, holder) -> None:
    process = holder(60)
    since = json.loads((tmp_path / LOCK_NAME).read_text())["since"]
    match = f"{tmp_path}: process {process.pid} on .*, since {since}, is writing to this folder; wait until it ends"
    with pytest.raises(FolderInUseError, match=match), lock_folder(tmp_path):
        pass
    assert process.poll() is None
    assert (tmp_path / LOCK_NAME).exists()


def test_the_lock_of_a_killed_process_is_taken_over_and_its_temporaries_go(tmp_path: Path, holder) -> None:
    process = holder(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / LOCK_NAME).exists()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f".file.{process.pid}.tmp").write_bytes(b"half")
    with lock_folder(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
        assert not list(tmp_path.rglob("*.tmp"))
        with pytest.raises(FolderInUseError, match=f"process {os.getpid()} "), lock_folder(tmp_path):
            pass
    assert not (tmp_path / LOCK_NAME).exists()


def test_whoever_may_wait_goes_on_when_the_other_ends(tmp_path: Path, holder, capsys) -> None:
    process = holder(0.5)
    with lock_folder(tmp_path, wait=True):
        assert (tmp_path / LOCK_NAME).exists()
        process.wait()
    assert f"process {process.pid}" in capsys.readouterr().err
    assert not (tmp_path / LOCK_NAME).exists()


def test_an_error_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock_folder(tmp_path):
        raise KeyError
    with lock_folder(tmp_path):
        pass
