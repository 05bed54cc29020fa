"""Held-out drives driven again in every mode, a batch at a time; each is measured and kept, so that a run goes on where
it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.data.frame_store import FrameStore
from training.evaluation.films import write_film, write_sheet
from training.evaluation.held_out import HeldOutDrive, held_out_drive
from training.evaluation.measures import Instruments, MadeMeasures, TruthMeasures, load_measures, save_measures
from training.evaluation.modes import DriveMode, drive_again
from worldsim.world_model import WorldModel

FORMAT = 1
"""Of what is measured and kept; another one is measured anew."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutRuns:
    """Drives of one length from places in a recording.

    Args:
        model: the learned world.
        store: the recording.
        positions: of last context frames, [n].
        horizon: steps of a drive.
        instruments: what is measured with.
        folder: where measures, films and sheets go.
        identity: of the model and the recording; measures of another are not used.
        batch_size: drives side by side; what is in memory grows with it.
        num_films: so many of the drives become films.
    """

    model: WorldModel
    store: FrameStore
    positions: np.ndarray
    horizon: int
    instruments: Instruments
    folder: Path
    identity: str
    batch_size: int
    num_films: int

    def run(self, mode: DriveMode, num: int) -> tuple[list[TruthMeasures], list[MadeMeasures]]:
        """Measures of the first `num` drives in that mode; those that are kept already are read."""
        truths: list[TruthMeasures] = []
        made: list[MadeMeasures] = []
        with tqdm(total=num * self.horizon, desc=f"drives, {mode.title}", unit="frame") as bar:
            for first in range(0, num, self.batch_size):
                numbers = range(first, min(first + self.batch_size, num))
                known = [self._load(number, mode) for number in numbers]
                missing = [number for number, pair in zip(numbers, known, strict=True) if pair is None]
                bar.update((len(numbers) - len(missing)) * self.horizon)
                remade = dict(zip(missing, self._drive(missing, mode, bar), strict=True)) if missing else {}
                for number, pair in zip(numbers, known, strict=True):
                    truth, ours = pair if pair is not None else remade[number]
                    truths.append(truth)
                    made.append(ours)
        return truths, made

    def write_sheet(self, path: Path, truths: Sequence[TruthMeasures], made: Sequence[MadeMeasures]) -> None:
        """A picture of the drives that become films, at VIEW_SECONDS: of each a row of truth above what was made."""
        pairs = list(zip(truths, made, strict=True))[: max(1, self.num_films)]
        write_sheet(path, [row for truth, ours in pairs for row in (truth.views, ours.views)])

    def _load(self, number: int, mode: DriveMode) -> tuple[TruthMeasures, MadeMeasures] | None:
        truth = load_measures(TruthMeasures, self._path("truth", number), self._digest(number, "truth"))
        made = load_measures(MadeMeasures, self._path(mode.name, number), self._digest(number, mode.name))
        return None if truth is None or made is None else (truth, made)

    def _drive(self, numbers: Sequence[int], mode: DriveMode, bar: tqdm) -> list[tuple[TruthMeasures, MadeMeasures]]:
        positions = [int(self.positions[number]) for number in numbers]
        num_context = self.model.config.num_context
        drives = [held_out_drive(self.store, position, num_context, self.horizon) for position in positions]
        frames, vehicles = drive_again(self.model, drives, positions, mode, bar)
        pairs = []
        for number, drive, own, places in zip(numbers, drives, frames, vehicles, strict=True):
            truth = self._truth(number, drive)
            made = self.instruments.measure_made(drive, own, places)
            save_measures(made, self._path(mode.name, number), self._digest(number, mode.name))
            if number < self.num_films:
                num = drive.num_valid
                path = self.folder / "films" / f"{mode.name}_{number:02d}.mp4"
                write_film(path, drive.frames[:num], own[:num], 1 / self.store.dt)
            pairs.append((truth, made))
        return pairs

    def _truth(self, number: int, drive: HeldOutDrive) -> TruthMeasures:
        path, digest = self._path("truth", number), self._digest(number, "truth")
        truth = load_measures(TruthMeasures, path, digest)
        if truth is None:
            truth = self.instruments.measure_truth(drive)
            save_measures(truth, path, digest)
        return truth

    def _path(self, name: str, number: int) -> Path:
        return self.folder / "drives" / f"{name}_{number:02d}.npz"

    def _digest(self, number: int, name: str) -> str:
        said = (FORMAT, self.identity, name, int(self.positions[number]), self.horizon)
        return hashlib.sha256(repr(said).encode()).hexdigest()
