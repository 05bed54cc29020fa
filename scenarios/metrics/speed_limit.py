"""Speed limit compliance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue
from worldsim.datatypes.scene import LaneColumn


@dataclass(frozen=True, kw_only=True)
class SpeedLimitConfig:
    """nuPlan's threshold.

    Args:
        max_overspeed: exceeding the limit by this all the time scores 0 [m/s].
    """

    max_overspeed: float = 2.23


COMPLIANCE = Metric(name="speed_limit_compliance", source="nuPlan speed limit compliance", config=SpeedLimitConfig())
OVERSPEED = Metric(name="max_overspeed", unit="m/s", source="speed above the limit of the route's lane")


def measure_speed_limit(record: DriveRecord) -> list[MetricValue]:
    """nuPlan's score max(0, 1 − ∫overspeed dt / (2.23 m/s · T)), and the largest overspeed [m/s]."""
    limit = record.lane[:, LaneColumn.SPEED_LIMIT]
    known = np.isfinite(limit)
    if known.mean() < MIN_KNOWN:
        reason = f"the speed limit is known at {known.mean():.0%} of the drive"
        return [COMPLIANCE.unknown(reason), OVERSPEED.unknown(reason)]
    over = np.maximum(np.abs(record.speed[known]) - limit[known], 0.0)
    score = max(0.0, 1.0 - over.mean() / SpeedLimitConfig().max_overspeed)
    return [COMPLIANCE.measured(score), OVERSPEED.measured(over.max())]
