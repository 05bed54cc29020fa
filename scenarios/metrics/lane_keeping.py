"""Lane keeping: how long the ego is off the middle of its route's lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue
from worldsim.datatypes.scene import LaneColumn


@dataclass(frozen=True, kw_only=True)
class LaneKeepingConfig:
    """NAVSIM v2's thresholds.

    Args:
        max_offset: from the lane's centre, to either side [m].
        max_time: off by more for this long without a break fails [s].
    """

    max_offset: float = 0.5
    max_time: float = 2.0


LANE_KEEPING = Metric(
    name="lane_keeping", source="NAVSIM v2 lane keeping, outside junctions", config=LaneKeepingConfig()
)


def measure_lane_keeping(record: DriveRecord) -> list[MetricValue]:
    """1 where the lane is kept, else 0."""
    offset = record.lane[:, LaneColumn.LATERAL_OFFSET]
    known = np.isfinite(offset)
    if known.mean() < MIN_KNOWN:
        return [LANE_KEEPING.unknown(f"the lane's centre is known at {known.mean():.0%} of the drive")]

    c = LaneKeepingConfig()
    off = np.abs(np.where(known, offset, 0.0)) > c.max_offset
    if record.in_junction is not None:
        return [LANE_KEEPING.measured(longest_run(off & ~record.in_junction) * record.dt < c.max_time - 1e-9)]
    # a junction could only excuse what is off: without any that question does not arise
    if longest_run(off) * record.dt >= c.max_time - 1e-9:
        return [LANE_KEEPING.unknown("off the lane's centre for too long, but junctions are not known")]
    return [LANE_KEEPING.measured(1.0)]


def longest_run(flags: np.ndarray) -> int:
    """How many True values [t] follow each other at most."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int64), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
