"""Minimum, maximum, mean, standard deviation, quantiles and count of every feature, added up file by file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from training.data import lerobot_layout as layout
from training.data.sensor_streams import statistics_of, stream_key
from worldsim.gbuffer.classes import SENSOR_NAMES

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
"""As LeRobot names them since version 0.4 (`lerobot.datasets.compute_stats`)."""
SAMPLE_SIZE = 20_000
"""Samples of a feature that its quantiles are taken of: all of them, or as many drawn at random."""


@dataclass
class _Moments:
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    count: int
    drawn: np.ndarray
    """Samples [m, d] with the lowest of all tickets."""
    tickets: np.ndarray
    """Of each of these, drawn uniformly, [m]."""


class FeatureStatistics:
    """The content of LeRobot's stats.json."""

    def __init__(self) -> None:
        self._moments: dict[str, _Moments] = {}
        self._rng = np.random.default_rng(0)

    def add(self, name: str, values: np.ndarray) -> None:
        """Add samples [n, d] of a feature."""
        x = values.astype(np.float64)
        drawn, tickets = _lowest(x, self._rng.random(len(x)))
        new = _Moments(x.min(0), x.max(0), x.sum(0), (x * x).sum(0), len(x), drawn, tickets)
        old = self._moments.get(name)
        if old is not None:
            new.low = np.minimum(new.low, old.low)
            new.high = np.maximum(new.high, old.high)
            new.total = new.total + old.total
            new.squares = new.squares + old.squares
            new.count = new.count + old.count
            drawn, tickets = np.concatenate([old.drawn, drawn]), np.concatenate([old.tickets, tickets])
            new.drawn, new.tickets = _lowest(drawn, tickets)
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
        """Feature name to min, max, mean, std, QUANTILES and count, as plain lists."""
        return {name: _summary(name, moments) for name, moments in self._moments.items()}


def _lowest(samples: np.ndarray, tickets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most SAMPLE_SIZE of samples [n, d], those of the lowest tickets [n], and these: a uniform draw."""
    if len(samples) <= SAMPLE_SIZE:
        return samples, tickets
    kept = np.argpartition(tickets, SAMPLE_SIZE)[:SAMPLE_SIZE]
    return samples[kept], tickets[kept]


def _summary(name: str, moments: _Moments) -> dict[str, list]:
    mean = moments.total / moments.count
    std = np.sqrt(np.maximum(moments.squares / moments.count - mean * mean, 0.0))
    values = {"min": moments.low, "max": moments.high, "mean": mean, "std": std}
    values |= dict(zip(QUANTILES, np.quantile(moments.drawn, list(QUANTILES.values()), axis=0), strict=True))
    # LeRobot broadcasts image statistics over c h w
    shape = (-1, 1, 1) if name in (layout.VIDEO_KEY, *map(stream_key, SENSOR_NAMES)) else (-1,)
    return {key: value.reshape(shape).tolist() for key, value in values.items()} | {"count": [moments.count]}
