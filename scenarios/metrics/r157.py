"""UN R157's careful and competent human driver, and which cut-ins it says must be avoided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.encounters import braking_needed
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from scenarios.metrics.reference_driver import Situation, measure_avoidable
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import LaneColumn, ObjectColumn

GRAVITY = 9.81
"""[m/s²]."""


@dataclass(frozen=True, kw_only=True)
class CarefulDriver:
    """The driver of R157 annex 4 appendix 3.

    The annex has risk perceived, for who cuts in, when it has left its wandering zone and would be met within the
    critical time. It gives no number for a road user that is in the way already; here that is who brakes harder than
    `noticed_braking`, or will ask for as much by the time the driver can brake.

    Args:
        perception: to judge a risk [s].
        brake_delay: from then to the beginning of braking [s].
        jerk: [m/s³].
        max_braking: 0.774 g [m/s²].
        critical_time: to collision [s].
        wandering: sideways motion within the own lane that is none [m].
        noticed_braking: nuPlan's IDM calls that comfortable [m/s²].
    """

    perception: float = 0.4
    brake_delay: float = 0.75
    jerk: float = 12.65
    max_braking: float = 0.774 * GRAVITY
    critical_time: float = 2.0
    wandering: float = 0.375
    noticed_braking: float = 3.0

    @property
    def reaction_time(self) -> float:
        """Perception and brake delay [s]."""
        return self.perception + self.brake_delay

    def braking(self, situation: Situation) -> np.ndarray:
        """Full braking where there is a risk, and on until the ego is no faster than who is in its way."""
        s = situation
        closing = s.speed - s.lead_speed
        with np.errstate(divide="ignore", invalid="ignore"):
            time = np.where(closing > 0, np.maximum(s.gap, 0.0) / closing, np.inf)
        cutting_in = (s.clearance >= 0) & (s.approach > 0) & (s.moved > self.wandering)
        # braking begins a reaction later, when the gap is smaller
        gap_then = s.gap - np.maximum(closing, 0.0) * self.reaction_time
        needed = braking_needed(s.speed, s.lead_speed, s.lead_acceleration, gap_then)
        noticed = (needed > self.noticed_braking) | (-s.lead_acceleration > self.noticed_braking)
        in_way = (s.clearance < 0) & (noticed | (time <= self.critical_time))
        # who has begun to brake goes on until the speeds are equal
        holding = (s.acceleration < 0) & (s.clearance < 0) & (closing > 0)
        risk = s.ahead & (in_way | holding | (cutting_in & (time <= self.critical_time)))
        return np.where(risk.any(axis=-1), self.max_braking, 0.0)


@dataclass(frozen=True, kw_only=True)
class CutInConfig:
    """R157 5.2.5.2.

    Args:
        intrusion: the near side has crossed the marking by this much [m].
        braking: that is asked for [m/s²].
        delay: before it [s].
        same_direction: headings of who cuts in differ from the path's by less [rad].
    """

    intrusion: float = 0.3
    braking: float = 6.0
    delay: float = 0.35
    same_direction: float = float(np.radians(45.0))


CONFIG = CutInConfig()
AVOIDABLE = Metric(
    name="avoidable_by_careful_driver",
    source="UN R157 annex 4 appendix 3, careful and competent human driver, on the ego's path",
    config=CarefulDriver(),
)
CUT_IN = Metric(name="r157_cut_in_must_be_avoided", source="UN R157 5.2.5.2", config=CONFIG)


def measure_r157(record: DriveRecord) -> list[MetricValue]:
    """Whether the careful driver would have run into nobody, and whether R157 asks to avoid all cut-ins, 0 or 1."""
    return [measure_avoidable(record, CarefulDriver(), AVOIDABLE), cut_ins_must_be_avoided(record)]


def must_be_avoided(time_to_collision: np.ndarray | float, closing_speed: np.ndarray | float) -> np.ndarray:
    """Whether R157 asks to avoid a cut-in: TTC at the intrusion > v_rel/(2·6 m/s²) + 0.35 s.

    Args:
        time_to_collision: at the intrusion [s].
        closing_speed: v_rel, of the ego over who cuts in [m/s].
    """
    return np.asarray(time_to_collision) > np.asarray(closing_speed) / (2 * CONFIG.braking) + CONFIG.delay


def cut_ins_must_be_avoided(record: DriveRecord) -> MetricValue:
    """1 where R157 asks to avoid every cut-in that the ego closes in on, 0 where one of them is too short for that."""
    if not record.tracks_complete:
        return CUT_IN.unknown("road users are not known")
    # who has begun to come over when the policy takes over is a cut-in as well
    record = record.approach or record
    if not np.isfinite(record.lane[:, [LaneColumn.LATERAL_OFFSET, LaneColumn.HALF_WIDTH]]).all():
        return CUT_IN.unknown("the lane is not known throughout")

    frame, avoided = PathFrame.of(record), []
    gap = frame.gap(record)
    for track, instant in zip(*np.nonzero(cut_ins(record)), strict=True):
        closing = float(record.speed[instant] - frame.speed[track, instant])
        if closing > 0:
            avoided.append(bool(must_be_avoided(gap[track, instant] / closing, closing)))
    if not avoided:
        return CUT_IN.not_applicable("nobody cut in that the ego was closing in on")
    return CUT_IN.measured(all(avoided), f"{len(avoided)} cut-ins")


def cut_ins(record: DriveRecord) -> np.ndarray:
    """Where a vehicle that drives in the ego's direction gets into its lane ahead of it, bool [n, t]."""
    frame = PathFrame.of(record)
    # the lane lies around its centre, from which the ego may be off
    offset = frame.lateral + record.lane[:, LaneColumn.LATERAL_OFFSET]
    inside = np.abs(offset) - frame.half_breadth < record.lane[:, LaneColumn.HALF_WIDTH] - CONFIG.intrusion
    turned = wrap_angle(record.tracks[..., ObjectColumn.YAW] - record.ego[:, ObjectColumn.YAW])
    begins = np.zeros(inside.shape, bool)
    begins[:, 1:] = inside[:, 1:] & ~inside[:, :-1] & record.track_known[:, 1:] & record.track_known[:, :-1]
    comes_in = (frame.lateral_speed * offset < 0) & (np.abs(turned) < CONFIG.same_direction)
    return begins & comes_in & (frame.gap(record) > 0) & record.is_vehicle()[:, None]
