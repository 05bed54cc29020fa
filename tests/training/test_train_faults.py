"""`drivedit train` under faults: one writer a run, and killed anywhere it resumes to the same bytes."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import in_a_child, on_linux
from recordings import write_udacity

from envs.folder_lock import FolderInUseError, lock_folder
from training.importers.convert import ImportConfig, import_recordings
from training.train import TrainConfig, train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    write_udacity(folder / "source", num=250)
    (dataset,) = import_recordings(ImportConfig(source=folder / "source", out=folder / "data", frame_size=(32, 64)))
    return dataset.root


def config_at(data: Path, out: Path, until: str) -> TrainConfig:
    return TrainConfig(
        recipe="debug", data=data, held_out=0.3, out=out, vae_steps=8, dit_steps=8, until=until, precision="bfloat16"
    )


def test_a_second_training_of_a_run_is_refused(tmp_path: Path, data: Path) -> None:
    config = config_at(data, tmp_path, "vae")
    match = f"process {os.getpid()} .* is writing to this folder"
    with lock_folder(tmp_path), pytest.raises(FolderInUseError, match=match):
        train(config)
    assert not list(tmp_path.iterdir())


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a run but logs, in which its own path is not told apart from others'."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "log" not in path.relative_to(folder).parts]
    return {str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"OUT") for path in paths}


def cpu_seconds(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def train_in_sittings(config: TrainConfig, next_sitting: Callable[[], float]) -> int:
    """Train in processes of which each is killed after so many seconds at work; how many there were."""
    for sitting in range(1000):
        process, seconds = in_a_child(lambda: train(config)), next_sitting()
        while process.exitcode is None and cpu_seconds(process.pid) < seconds:
            process.join(0.01)
        if process.exitcode is not None:
            assert process.exitcode == 0
            return sitting + 1
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    raise AssertionError("it never ends")


@on_linux
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("until", ["latents", "evaluate"])
def test_killed_at_random_moments_it_resumes_to_the_same_bytes(tmp_path: Path, data: Path, until: str) -> None:
    whole, killed = config_at(data, tmp_path / "whole", until), config_at(data, tmp_path / "killed", until)
    train_in_sittings(whole, lambda: 1e9)
    rng = random.Random(1)
    mean = {"latents": 0.5, "evaluate": 5.0}[until]
    assert train_in_sittings(killed, lambda: rng.expovariate(1 / mean)) > 3
    expected, found = files_of(whole.folder), files_of(killed.folder)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
