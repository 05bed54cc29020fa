"""Responsibility-sensitive safety (RSS): safe distances, and a driver who answers a dangerous situation as it asks.

Shalev-Shwartz, Shammah, Shashua 2017, "On a formal model of safe and scalable self-driving cars".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from scenarios.metrics.reference_driver import Situation, measure_avoidable


@dataclass(frozen=True, kw_only=True)
class RSSDriver:
    """Parameters, and the driver who brakes by `min_braking` in a dangerous situation.

    Args:
        reaction_time: ρ [s].
        acceleration: that a follower may have within the reaction time [m/s²].
        min_braking: b_min of the follower [m/s²].
        max_braking: b_max of the lead [m/s²].
        margin: d_min [m].
        lateral_margin: μ [m].
        lateral_acceleration: within the reaction time, and at which sideways motion ends [m/s²].
        jerk: at which braking builds up; large enough to be immediate [m/s³].
    """

    reaction_time: float = 1.0
    acceleration: float = 3.0
    min_braking: float = 4.0
    max_braking: float = 8.0
    margin: float = 0.0
    lateral_margin: float = 0.3
    lateral_acceleration: float = 1.0
    jerk: float = 1e6

    def safe_distance(self, speed: np.ndarray | float, lead_speed: np.ndarray | float) -> np.ndarray:
        """Least gap in the same direction [m]: max(0, v·ρ + a·ρ²/2 + (v + ρ·a)²/(2 b_min) − v_f²/(2 b_max)) + d_min."""
        v, rho = np.asarray(speed, np.float64), self.reaction_time
        reach = v * rho + self.acceleration * rho**2 / 2 + (v + rho * self.acceleration) ** 2 / (2 * self.min_braking)
        return np.maximum(0.0, reach - np.maximum(lead_speed, 0.0) ** 2 / (2 * self.max_braking)) + self.margin

    def safe_clearance(self, approach: np.ndarray | float) -> np.ndarray:
        """Least distance to the side of who approaches at this lateral speed [m], while the ego keeps to its path."""
        u, a, rho = np.maximum(approach, 0.0), self.lateral_acceleration, self.reaction_time
        return self.lateral_margin + (2 * u + a * rho) * rho / 2 + (u + a * rho) ** 2 / (2 * a)

    def is_dangerous(
        self,
        gap: np.ndarray,
        clearance: np.ndarray,
        approach: np.ndarray,
        speed: np.ndarray | float,
        lead_speed: np.ndarray,
    ) -> np.ndarray:
        """Whether both distances are below the safe ones."""
        return (gap < self.safe_distance(speed, lead_speed)) & (clearance < self.safe_clearance(approach))

    def braking(self, situation: Situation) -> np.ndarray:
        """b_min in a dangerous situation, else 0."""
        s = situation
        dangerous = s.ahead & self.is_dangerous(s.gap, s.clearance, s.approach, s.speed, s.lead_speed)
        return np.where(dangerous.any(axis=-1), self.min_braking, 0.0)


AVOIDABLE = Metric(name="avoidable_by_rss", source="RSS proper response, on the ego's path", config=RSSDriver())
DANGEROUS = Metric(
    name="rss_dangerous",
    source="RSS same direction, share of instants below the safe distance to who is in the way",
    config=RSSDriver(),
)


def measure_rss(record: DriveRecord) -> list[MetricValue]:
    """Whether the RSS driver would have run into nobody, 0 or 1, and the share of the drive below the safe distance."""
    avoidable = measure_avoidable(record, RSSDriver(), AVOIDABLE)
    if not record.tracks_complete:
        return [avoidable, DANGEROUS.unknown("road users are not known")]
    frame = PathFrame.of(record)
    in_way = record.track_known & frame.is_ahead() & (frame.clearance(record) < 0)
    if not in_way.any():
        return [avoidable, DANGEROUS.not_applicable("nobody in the way")]
    below = frame.gap(record) < RSSDriver().safe_distance(np.maximum(record.speed, 0.0), frame.speed)
    return [avoidable, DANGEROUS.measured((in_way & below).any(axis=0).mean())]
