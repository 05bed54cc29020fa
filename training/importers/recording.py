"""A drive as its source has it: every quantity at its own times, in SI units and our frame, before any resampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from training.data.images import Images, check_rising
from worldsim.datatypes.scene import CONTROL_NAMES, ObjectKind
from worldsim.datatypes.vehicle import VEHICLE_NAMES

SIGNAL_NAMES = (*CONTROL_NAMES, *VEHICLE_NAMES, "yaw_rate")
"""What a recording may hold about the ego; units as in CONTROL_NAMES, VEHICLE_NAMES and EGO_NAMES."""


@dataclass(frozen=True, eq=False)
class Signal:
    """A quantity sampled at its own times.

    Args:
        times: rising, float64 [n] [s].
        values: float64 [n].

    Raises:
        ValueError: the shapes differ, the times do not rise or a value is not finite.
    """

    times: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.values.shape != self.times.shape or not len(self.times):
            raise ValueError(f"a signal needs times and values [n], got {self.times.shape} and {self.values.shape}")
        check_rising(self.times)
        if not np.isfinite(self.values).all():
            at = int(np.flatnonzero(~np.isfinite(self.values))[0])
            raise ValueError(f"value {at} of a signal is {self.values[at]}")


@dataclass(frozen=True)
class Origin:
    """Where a quantity comes from, for the report of an import.

    Args:
        source: the column, file or feature; for what was worked out, from what.
        unit: that it is in there, and whether that was assumed.
    """

    source: str
    unit: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """Another road user or thing, for as long as it was there.

    Args:
        kind: what it is.
        length: [m].
        width: [m].
        x: of its centre in the ground frame [m].
        y: [m].
        yaw: [rad].
        speed: along its heading [m/s].
    """

    kind: ObjectKind
    length: float
    width: float
    x: Signal
    y: Signal
    yaw: Signal
    speed: Signal


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One drive; what it does not hold is unknown.

    Args:
        name: of the recording, unique in its source.
        clock: times that pace it, rising, float64 [n] [s]; a long gap in them splits it into episodes.
        signals: SIGNAL_NAMES to signals.
        images: its camera.
        origins: where each of SIGNAL_NAMES that it holds comes from, and "time", "frame", "objects" and "collision".
        tracks: the other road users and things; None where they were not recorded.
        collisions: times of the ego's collisions, float64 [k] [s]; None where they were not watched for.
        collisions_since: from when they were watched for [s].
        unread: columns or features of its source that none of this was taken from.
        split: the split of its source that it belongs to, such as "train"; "" where the source has none.

    Raises:
        ValueError: a signal has an unknown name, or the clock does not rise.
    """

    name: str
    clock: np.ndarray
    signals: Mapping[str, Signal] = field(default_factory=dict)
    images: Images | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    tracks: tuple[Track, ...] | None = None
    collisions: np.ndarray | None = None
    collisions_since: float = -np.inf
    unread: tuple[str, ...] = ()
    split: str = ""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.signals) - set(SIGNAL_NAMES))
        if unknown:
            raise ValueError(f"{self.name}: unknown signals {unknown}; there are {', '.join(SIGNAL_NAMES)}")
        check_rising(self.clock)
