"""Files are whole or not there; what killed processes left is swept, what living ones write is not."""

import errno
import os
from pathlib import Path

import pytest
import torch
from faults import DEAD_PID, files_of_at_most, in_a_child, kill_myself, on_linux

from worldsim.atomic_files import atomic_path, sweep_temporaries
from worldsim.checkpoint import load_tensors, save_tensors


def temporaries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*.tmp"))


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        raise KeyError(temporary.write_text("half of the n"))
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_the_successor_of_a_killed_writer_sweeps_and_leaves_those_of_the_living(tmp_path: Path) -> None:
    living = f".other[1].bin.{os.getppid()}.tmp"
    for name in (f".file[1].bin.{DEAD_PID}.tmp", f".other[1].bin.{DEAD_PID}.tmp", living, ".no-number.tmp"):
        (tmp_path / name).write_bytes(b"half")
    with atomic_path(tmp_path / "file[1].bin") as temporary:
        temporary.write_bytes(b"whole")
    assert temporaries(tmp_path) == sorted([".no-number.tmp", living, f".other[1].bin.{DEAD_PID}.tmp"])
    sweep_temporaries(tmp_path.parent)
    assert temporaries(tmp_path) == sorted([".no-number.tmp", living])


@on_linux
def test_a_process_killed_before_the_rename_leaves_what_the_next_save_sweeps(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_tensors({"a": torch.zeros(3)}, path)

    def save_and_die() -> None:
        Path.replace = kill_myself  # type: ignore[method-assign]
        save_tensors({"a": torch.ones(3)}, path)

    process = in_a_child(save_and_die)
    process.join()
    assert process.exitcode == -9
    assert load_tensors(path)["a"].tolist() == [0, 0, 0]
    assert len(temporaries(tmp_path)) == 1
    save_tensors({"a": torch.full((3,), 2.0)}, path)
    assert load_tensors(path)["a"].tolist() == [2, 2, 2]
    assert temporaries(tmp_path) == []


def test_what_is_written_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calls = tmp_path / "w.safetensors", []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append(path.exists()), sync(number)))
    save_tensors({"a": torch.zeros(3)}, path)
    assert calls == [False, True]  # the file before, its folder after the rename


@on_linux
def test_a_disk_that_takes_no_more_is_one_error_that_names_the_file(tmp_path: Path) -> None:
    weights, text = tmp_path / "weights.safetensors", tmp_path / "text"
    weights.write_text("old")
    with files_of_at_most(10_000):
        with pytest.raises(OSError, match=f"File too large: '{weights}'") as found:
            save_tensors({"a": torch.zeros(9000)}, weights)
        assert found.value.errno == errno.EFBIG  # by which a command tells the machine's faults from its own
        with pytest.raises(OSError, match=f"File too large: '{text}'"), atomic_path(text) as temporary:
            temporary.write_bytes(bytes(20_000))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
    assert weights.read_text() == "old"
