"""Train a world on a GPU that is lent for minutes at a time: each sitting goes on exactly where the last one stopped.

    drivedit record --out runs/lent/data/train ...   # beforehand, on any CPU
    python examples/train_on_gpu.py --out runs/lent --kept lent --minutes 15 -- --recipe tiny

Everything after `--` is for `drivedit train`. A sitting unpacks what `kept` holds, trains in bfloat16 until it is done
or its time is nearly up, and packs what the next sitting needs, or the finished checkpoint and its evaluation. Not in
it: recordings, which are brought along below `out`, and what is made from them in a moment.

Exit code: 0 when training and evaluation are finished, 3 when another sitting is needed, else that of training.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from worldsim.atomic_files import atomic_path

NOT_KEPT = ("data", "latents", "log")
"""Folders of a run that are brought along, made again, or of no use to the next sitting."""
UNFINISHED = 3


@dataclass(frozen=True, kw_only=True)
class SittingConfig:
    """A sitting of a training run.

    Args:
        out: folder of the run.
        kept: folder of the packed files, which outlives the machine.
        minutes: that the sitting may take in all.
        reserve: of these, at the end, for the last save and for packing [min].
        device: torch device.
        train: further arguments of `drivedit train`.

    Raises:
        ValueError: no time is left to train.
    """

    out: Path
    kept: Path
    minutes: float = 15.0
    reserve: float = 1.0
    device: str = "cuda"
    train: tyro.conf.Positional[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not 0 < self.reserve < self.minutes:
            raise ValueError(f"reserve must lie in (0, {self.minutes}) minutes, got {self.reserve}")

    @property
    def command(self) -> list[str]:
        """What trains."""
        options = ["--out", str(self.out), "--device", self.device, "--precision", "bfloat16"]
        return [sys.executable, "-m", "drivedit", "train", *options, *self.train]


def sit(config: SittingConfig) -> int:
    """Run a sitting; the exit code."""
    begun = time.monotonic()
    unpack(config.kept, config.out)
    left = 60 * (config.minutes - config.reserve) - (time.monotonic() - begun)
    code = run_for(config.command, left, patience=30 * config.reserve)
    pack(config.out, config.kept)
    minutes = (time.monotonic() - begun) / 60
    print(f"sitting of {minutes:.1f} min: {'not finished, sit again' if code == UNFINISHED else f'exit code {code}'}")
    return code


def run_for(command: list[str], seconds: float, patience: float) -> int:
    """Run a command for so long at most; its exit code, UNFINISHED if it was stopped.

    Args:
        patience: time for its last save after SIGTERM [s]; then it is killed, and the save before it counts.
    """
    process = subprocess.Popen(command)
    try:
        return process.wait(timeout=max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return UNFINISHED


def kept_files(folder: Path) -> Iterator[Path]:
    """The files of a run that the next sitting needs: results, and the optimisers of stages without one."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        finished = path.name == "optimizer.safetensors" and len(list(path.parent.glob("*.safetensors"))) > 1
        if path.is_file() and not finished and not set(parts) & set(NOT_KEPT) and not path.name.startswith("."):
            yield path


def pack(folder: Path, kept: Path) -> None:
    """Write an archive for each file or folder at the top of a run."""
    tops: dict[str, list[Path]] = {}
    for path in kept_files(folder):
        tops.setdefault(path.relative_to(folder).parts[0], []).append(path)
    for top, paths in tops.items():
        with atomic_path(kept / f"{top}.tar") as temporary, tarfile.open(temporary, "w") as archive:
            for path in paths:
                archive.add(path, str(path.relative_to(folder)))


def unpack(kept: Path, folder: Path) -> None:
    """Put what `pack` wrote back into a run that does not have it."""
    for path in sorted(kept.glob("*.tar")):
        with tarfile.open(path) as archive:
            members = [member for member in archive.getmembers() if not (folder / member.name).exists()]
            archive.extractall(folder, members, filter="data")


if __name__ == "__main__":
    sys.exit(sit(tyro.cli(SittingConfig, description=__doc__)))
