"""Windows of drives with their controls as a torch Dataset, read from recordings of any kind as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.data.augment import AugmentConfig, Clip, augment
from training.data.images import Fit, Images, fit_image
from training.data.pictures.labelled import check_items
from training.data.rollouts import Rows
from training.importers.formats import IMPORTERS, find_importer, read_recordings
from training.importers.importer import SourceHints
from training.importers.recording import Recording
from training.importers.resample import ResampleConfig, episode_times, nearest, rows_at
from training.importers.video_with_table import IMPORTER as DRIVE
from worldsim.datatypes.scene import CONTROL_NAMES
from worldsim.networks.vae3d import frames_to_float

if TYPE_CHECKING:
    from typing_extensions import NotRequired

WHOLE = 1e6
"""Seconds above which a drive is cut: none."""


class ControlledClip(TypedDict):
    """A window.

    frames: float32 [t, 3, h, w] in [-1, 1]. controls: CONTROL_NAMES, float32 [t, 4]; that of a frame leads to the next
    one. Not there where they are not asked for.
    """

    frames: Tensor
    controls: NotRequired[Tensor]


class Drive(NamedTuple):
    """Consecutive frames at one rate: their number in `images`, int64 [t], their rows, [t], and which of CONTROL_NAMES
    their recording tells of."""

    images: Images
    numbers: np.ndarray
    rows: Rows
    told: tuple[str, ...]
    where: str


class ControlledClips(Dataset[ControlledClip]):
    """Every window of consecutive frames whose controls are known, in order; none across two drives.

    Item k is a function of k, the recordings, `seed` and `epoch`, whichever worker makes it.

    Args:
        root: what `drivedit import` reads, one of our own recordings among them; or a folder with such videos and
            folders of images, each with its table beside it (docs/importing.md).
        num_frames: length of a window.
        image_size: height and width of a frame [px].
        with_controls: False for drives without.
        stride: frames from one window's start to the next one's.
        fps: rate of the frames, each the nearest in time; controls are averaged over a frame's time [1/s].
        fit: how a frame of another size is brought to `image_size`, see Fit.
        hints: what the recordings do not say of themselves; None for nothing.
        augmentation: how windows are changed; None for not at all.
        seed: of that.

    Attributes:
        epoch: number of the pass, for other augmentations in each; set it between passes, not while workers run.

    Raises:
        ValueError: a value is out of range, something cannot be read, a drive has no pictures or no controls, or none
            is long enough; names file and place.
    """

    def __init__(
        self,
        root: Path,
        num_frames: int,
        image_size: tuple[int, int],
        with_controls: bool = True,
        stride: int = 1,
        fps: int = 10,
        fit: Fit = "crop",
        hints: SourceHints | None = None,
        augmentation: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        check_items(image_size, 0.0)
        if num_frames < 1 or stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {num_frames}, {stride}")
        self.num_frames, self.image_size, self.with_controls = num_frames, image_size, with_controls
        self.fit: Fit = fit
        self.augmentation, self.seed, self.epoch = augmentation, seed, 0
        config = ResampleConfig(fps=fps, seconds_per_episode=WHOLE, min_seconds=0.0)
        recordings = _open(Path(root), hints or SourceHints())
        self.drives = [drive for r in recordings for drive in _drives(r, Path(root), config, with_controls)]
        self._windows = [
            (d, k)
            for d, drive in enumerate(self.drives)
            for k in range(0, len(drive.numbers) - num_frames + 1, stride)
            if self._known(drive)[k : k + num_frames].all()
        ]
        if not self._windows:
            longest = max((len(drive.numbers) for drive in self.drives), default=0)
            told = " whose controls are known" if with_controls else ""
            raise ValueError(
                f"{root} has no {num_frames} consecutive frames{told} at {fps} a second; the longest drive has "
                f"{longest} frames"
            )

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> ControlledClip:
        """Window `index`.

        Raises:
            ValueError: a frame cannot be read; names the drive.
        """
        d, start = self._windows[index]
        drive, window = self.drives[d], slice(start, start + self.num_frames)
        try:
            images = drive.images.read(drive.numbers[window].tolist())
            frames = np.stack([fit_image(image, self.image_size, self.fit) for image in images])
        except ValueError as error:
            raise ValueError(f"{drive.where}: {error}") from error
        clip = Clip(frames=frames, rows=drive.rows[window])
        if self.augmentation is not None:
            clip = augment(clip, self.augmentation, np.random.default_rng([self.seed, self.epoch, index]))
        item: ControlledClip = {"frames": frames_to_float(torch.from_numpy(clip.frames))}
        if self.with_controls:
            item["controls"] = torch.from_numpy(clip.rows.controls)
        return item

    def _known(self, drive: Drive) -> np.ndarray:
        """Where the picture is known and, if they are asked for, all controls that the recording tells of, bool [t]."""
        names = ("frame", *(drive.told if self.with_controls else ()))
        return np.all([drive.rows.is_valid(name) for name in names], axis=0)


def _open(root: Path, hints: SourceHints) -> list[Recording]:
    """The recordings at `root`, or of the drives in it."""
    if root.is_dir() and not any(importer.recognises(root) for importer in IMPORTERS):
        inside = [path for path in sorted(root.iterdir()) if DRIVE.recognises(path)]
        if not inside:
            raise ValueError(f"{root} holds neither videos nor folders of images, and is no recording")
        return [recording for path in inside for recording in read_recordings(DRIVE, path, hints)]
    return read_recordings(find_importer(root), root, hints)


def _drives(recording: Recording, root: Path, config: ResampleConfig, with_controls: bool) -> list[Drive]:
    """The uninterrupted drives of a recording at one rate."""
    where = f"{root}: {recording.name}"
    if recording.images is None:
        raise ValueError(f"{where} has no pictures")
    told = tuple(name for name in CONTROL_NAMES if name in recording.signals)
    if with_controls and not told:
        raise ValueError(
            f"{where} has no controls: put {recording.name}.csv beside it, with columns such as steer, throttle and "
            "brake and a row a frame (docs/importing.md), or do not ask for controls"
        )
    drives = []
    for times in episode_times(recording.clock, config):
        numbers, _ = nearest(recording.images.times, times, config.max_gap)
        drives.append(Drive(recording.images, numbers, rows_at(recording, times, config), told, where))
    return drives
