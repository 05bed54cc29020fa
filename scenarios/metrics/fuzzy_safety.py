"""The fuzzy safety model (FSM) of the EC's Joint Research Centre: how unsafe a gap is, and a driver who acts on it.

Mattas et al. 2020, "Fuzzy surrogate safety metrics for real-time assessment of rear-end collision risk".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.path_frame import PathFrame
from scenarios.metrics.reference_driver import Situation, measure_avoidable


@dataclass(frozen=True, kw_only=True)
class FuzzyDriver:
    """Parameters of JRC-FSM, and the driver who brakes as they say.

    Args:
        reaction_time: [s].
        comfortable_braking: br_min [m/s²].
        hard_braking: br_max [m/s²].
        lead_braking: that a lead is expected to be capable of [m/s²].
        margin: that is left at standstill [m].
        safe_margin: more than that is safe [m].
        lateral_slack: by which who cuts in may be later than the ego has passed [s].
        jerk: [m/s³].
    """

    reaction_time: float = 0.75
    comfortable_braking: float = 4.0
    hard_braking: float = 6.0
    lead_braking: float = 7.0
    margin: float = 2.0
    safe_margin: float = 2.0
    lateral_slack: float = 0.1
    jerk: float = 12.65

    def proactive(self, gap: np.ndarray, speed: float | np.ndarray, lead_speed: np.ndarray) -> np.ndarray:
        """PFS in [0, 1]: how far the gap is from the one that is safe should the lead brake hard.

        clip((d_safe − d) / (d_safe − d_unsafe), 0, 1) with d = gap − margin, d_unsafe = v·t + v²/(2 br_max) −
        v_l²/(2 b_l), d_safe = v·t + v²/(2 br_min) − v_l²/(2 b_l) + safe_margin.
        """
        reach = speed * self.reaction_time - np.maximum(lead_speed, 0.0) ** 2 / (2 * self.lead_braking)
        safe = reach + np.square(speed) / (2 * self.comfortable_braking) + self.safe_margin
        unsafe = reach + np.square(speed) / (2 * self.hard_braking)
        return np.clip((safe - (gap - self.margin)) / (safe - unsafe), 0.0, 1.0)

    def critical(
        self, gap: np.ndarray, speed: float | np.ndarray, lead_speed: np.ndarray, acceleration: float | np.ndarray
    ) -> np.ndarray:
        """CFS in [0, 1]: how far the gap is from the one that is safe at the lead's speed.

        As PFS with d_(un)safe = (v + a·t/2 − v_l)·t + (v + a·t − v_l)²/(2 br); where the ego's own braking a brings it
        below the lead's speed within the reaction time, 1 if the gap is below (v − v_l)²/(2 |a|), else 0.
        """
        t, own = self.reaction_time, np.maximum(acceleration, -self.comfortable_braking)
        closing, later = speed - lead_speed, speed + t * own - lead_speed
        reach = (closing + own * t / 2) * t
        safe = reach + later**2 / (2 * self.comfortable_braking)
        unsafe = reach + later**2 / (2 * self.hard_braking)
        with np.errstate(divide="ignore", invalid="ignore"):
            graded = np.clip(np.where(safe > unsafe, (safe - gap) / (safe - unsafe), gap < safe), 0.0, 1.0)
            braked = (gap < closing**2 / np.abs(2 * np.asarray(acceleration, np.float64))).astype(np.float64)
        return np.where(closing <= 0, 0.0, np.where(later < 0, braked, graded))

    def braking(self, situation: Situation) -> np.ndarray:
        """br_min to br_max by CFS, else up to br_min by PFS, for the most dangerous road user."""
        s = situation
        closing = s.speed - s.lead_speed
        with np.errstate(divide="ignore", invalid="ignore"):
            until_in_way = np.where(s.approach > 0, s.clearance / s.approach, np.inf)
            # until the ego is past, both lengths included
            until_past = np.where(closing > 0, (s.gap + s.length + s.lead_length) / closing, np.inf)
        coming = (s.approach > 0) & (until_in_way <= until_past + self.lateral_slack)
        relevant = s.ahead & ((s.clearance <= 0) | coming)
        critical = np.where(relevant, self.critical(s.gap, s.speed, s.lead_speed, s.acceleration), 0.0)
        proactive = np.where(relevant, self.proactive(s.gap, s.speed, s.lead_speed), 0.0)
        hard = self.comfortable_braking + critical * (self.hard_braking - self.comfortable_braking)
        return np.where(critical > 0, hard, proactive * self.comfortable_braking).max(axis=-1, initial=0.0)


SOURCE = "JRC fuzzy safety model (Mattas et al. 2020)"
AVOIDABLE = Metric(name="avoidable_by_fsm", source=f"{SOURCE}, on the ego's path", config=FuzzyDriver())
PFS = Metric(name="fsm_max_pfs", source=f"{SOURCE}, largest PFS to who is in the way", config=FuzzyDriver())


def measure_fuzzy_safety(record: DriveRecord) -> list[MetricValue]:
    """Whether the FSM driver would have run into nobody, 0 or 1, and the largest PFS of the ego itself, in [0, 1]."""
    avoidable = measure_avoidable(record, FuzzyDriver(), AVOIDABLE)
    if not record.tracks_complete:
        return [avoidable, PFS.unknown("road users are not known")]
    frame = PathFrame.of(record)
    in_way = record.track_known & frame.is_ahead() & (frame.clearance(record) < 0)
    if not in_way.any():
        return [avoidable, PFS.not_applicable("nobody in the way")]
    values = FuzzyDriver().proactive(frame.gap(record), np.maximum(record.speed, 0.0), frame.speed)
    return [avoidable, PFS.measured(values[in_way].max())]
