"""Minimum, maximum, mean, standard deviation and count of every feature of a dataset, added up file by file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.sensor_streams import statistics_of, stream_key
from worldsim.gbuffer.classes import SENSOR_NAMES


@dataclass
class _Moments:
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    count: int


class FeatureStatistics:
    """The content of LeRobot's stats.json."""

    def __init__(self) -> None:
        self._moments: dict[str, _Moments] = {}

    def add(self, name: str, values: np.ndarray) -> None:
        """Add samples [n, d] of a feature."""
        x = values.astype(np.float64)
        new = _Moments(x.min(0), x.max(0), x.sum(0), (x * x).sum(0), len(x))
        old = self._moments.get(name)
        if old is not None:
            new.low = np.minimum(new.low, old.low)
            new.high = np.maximum(new.high, old.high)
            new.total = new.total + old.total
            new.squares = new.squares + old.squares
            new.count = new.count + old.count
        self._moments[name] = new

    def add_table(self, table: pa.Table) -> None:
        """Add every row of a data file."""
        for name in table.column_names:
            self.add(name, layout.array(table, name, (-1,)))

    def add_frames(self, frames: np.ndarray) -> None:
        """Add frames, uint8 [t, h, w, 3]; their statistics are per channel, of pixels in [0, 1]."""
        self.add(layout.VIDEO_KEY, frames.reshape(-1, 3) / 255.0)

    def add_pictures(self, name: str, pictures: np.ndarray) -> None:
        """Add pictures [t, h, w] of one of SENSOR_NAMES, as LeRobot reads them."""
        self.add(stream_key(name), statistics_of(name, pictures))

    def summary(self) -> dict[str, dict[str, list]]:
        """Feature name to min, max, mean, std and count, as plain lists."""
        return {name: _summary(name, moments) for name, moments in self._moments.items()}


def _summary(name: str, moments: _Moments) -> dict[str, list]:
    mean = moments.total / moments.count
    std = np.sqrt(np.maximum(moments.squares / moments.count - mean * mean, 0.0))
    values = {"min": moments.low, "max": moments.high, "mean": mean, "std": std}
    # LeRobot broadcasts image statistics over c h w
    shape = (-1, 1, 1) if name in (layout.VIDEO_KEY, *map(stream_key, SENSOR_NAMES)) else (-1,)
    return {key: value.reshape(shape).tolist() for key, value in values.items()} | {"count": [moments.count]}
