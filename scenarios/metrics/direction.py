"""Driving direction compliance: how far the ego drives against the traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue
from worldsim.datatypes.scene import LaneColumn


@dataclass(frozen=True, kw_only=True)
class DirectionConfig:
    """nuPlan's thresholds.

    Args:
        window: in which distances are summed up [s].
        compliant: less than this against the traffic scores 1 [m].
        violation: less than this scores 0.5, the rest 0 [m].
    """

    window: float = 1.0
    compliant: float = 2.0
    violation: float = 6.0


COMPLIANCE = Metric(
    name="driving_direction_compliance", source="nuPlan driving direction compliance", config=DirectionConfig()
)


def measure_direction(record: DriveRecord) -> list[MetricValue]:
    """1, 0.5 or 0 by the longest way against the traffic within a second."""
    against = distance_against_traffic(record)
    if against is None:
        return [COMPLIANCE.unknown("neither the lane's direction nor reports of the world about it are known")]
    c = DirectionConfig()
    worst = _largest_sum(against, max(1, round(c.window / record.dt)))
    return [COMPLIANCE.measured(1.0 if worst < c.compliant else 0.5 if worst < c.violation else 0.0, _basis(record))]


def distance_against_traffic(record: DriveRecord) -> np.ndarray | None:
    """In each step, [t - 1] [m]: the way driven in a lane of the opposite direction, and the way driven backwards along
    the route's lane outside junctions; None where too little is known."""
    turned = record.lane[:, LaneColumn.HEADING_ERROR]
    if np.isfinite(turned).mean() < MIN_KNOWN and record.wrong_way is None:
        return None
    along = record.speed * np.cos(turned)
    backwards = np.where(np.isfinite(along), along < 0, False)
    if record.in_junction is not None:
        backwards &= ~record.in_junction
    if record.wrong_way is not None:
        # who backs out of a wrong lane moves with its traffic
        backwards |= record.wrong_way & (record.speed > 0)
    way = np.abs(record.speed[1:] + record.speed[:-1]) / 2 * record.dt
    return np.where(backwards[1:], way, 0.0)


def _largest_sum(values: np.ndarray, width: int) -> float:
    """The largest sum of `width` consecutive values."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return float((total[width:] - total[:-width]).max()) if len(values) >= width else float(total[-1])


def _basis(record: DriveRecord) -> str:
    return "lane direction alone" if record.wrong_way is None else "lane direction and what the world reports"
