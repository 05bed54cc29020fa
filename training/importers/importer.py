"""What an importer is: one format of recordings made elsewhere, how to recognise it and how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from training.importers.recording import Recording


@dataclass(frozen=True, kw_only=True)
class DriveOptions:
    """What images and tables do not say themselves.

    Args:
        table: controls table; None takes drive.csv beside drive.mp4, and controls.csv in or drive.csv beside a folder
            drive, where there is one.
        source_fps: frames a second of the source, where neither the video nor the table has times [1/s].
        columns: quantity=column, quantity=column:unit or quantity=column:factor, as in speed=v:kmh, for columns whose
            names are not recognised.
        left_handed: y, yaw, yaw_rate, steer and steer_angle are positive to the right, as in CARLA and Unreal.

    Raises:
        ValueError: source_fps is not positive.
    """

    table: Path | None = None
    source_fps: float | None = None
    columns: tuple[str, ...] = ()
    left_handed: bool = False

    def __post_init__(self) -> None:
        if self.source_fps is not None and not self.source_fps > 0:
            raise ValueError(f"source_fps must be positive, got {self.source_fps}")


@dataclass(frozen=True, kw_only=True)
class SourceHints:
    """What a source does not say about itself; every format takes the hints that concern it.

    Args:
        drive: for drive, table and yolo; its columns and left_handed for lerobot too.
        camera: lerobot: feature of the video.
        ego: carla_log: role name or actor id of the ego.
        steering_ratio: comma2k19: steering-wheel angle over front-wheel angle.
        max_steer_angle: front-wheel angle at full steer [rad], which gives steer from the steering angle or the other
            way round where the source has only one of them; None is 25° for udacity, elsewhere the other stays unknown.

    Raises:
        ValueError: a value is not positive.
    """

    drive: DriveOptions = field(default_factory=DriveOptions)
    camera: str | None = None
    ego: str | None = None
    steering_ratio: float | None = None
    max_steer_angle: float | None = None

    def __post_init__(self) -> None:
        for name in ("steering_ratio", "max_steer_angle"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


@dataclass(frozen=True, kw_only=True)
class Importer:
    """One format that `drivedit import` reads.

    Args:
        name: what `--format` calls it.
        source: what has to be given, in a few words; with `knows` and `note` a row of the table in docs/importing.md.
        knows: the quantities that such a source holds.
        note: what the user should know besides; may be empty.
        recognises: whether a path looks like this format.
        read: the recordings at a path; raises ValueError naming file, line and value.
    """

    name: str
    source: str
    knows: str
    note: str = ""
    recognises: Callable[[Path], bool]
    read: Callable[[Path, SourceHints], list[Recording]]
