"""Distance kept to the car ahead."""

from __future__ import annotations

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue

MIN_GAP = Metric(name="min_gap", unit="m", source="bumper to bumper along the route to the lead")
MARGIN = Metric(
    name="r157_following_distance_margin",
    unit="m",
    source="UN R157 5.2.3.3 as coded in esmini: gap − max(2 m, v·t_f), least over the drive",
)


def measure_gap(record: DriveRecord) -> list[MetricValue]:
    """The least gap to a lead, and the least margin over R157's following distance [m]."""
    led = np.isfinite(record.lead_gap)
    if not led.any():
        no_lead = MIN_GAP.not_applicable("no lead"), MARGIN.not_applicable("no lead")
        unknown = MIN_GAP.unknown("road users are not known"), MARGIN.unknown("road users are not known")
        return list(no_lead if record.tracks_complete else unknown)
    gap, speed = record.lead_gap[led], record.speed[led]
    return [MIN_GAP.measured(gap.min()), MARGIN.measured((gap - r157_following_distance(np.abs(speed))).min())]


def r157_following_distance(speed: np.ndarray | float) -> np.ndarray:
    """UN R157's least following distance [m] at ego speeds [m/s], at least 2 m.

    d = max(2 m, v·t_f); t_f = 1 + v_kph/100 from 10 km/h up, below it 1 + (max(2, v) - 2) / 7.8.
    """
    v = np.asarray(speed, np.float64)
    slow = 1.0 + (np.maximum(2.0, v) - 2.0) / 7.8
    return np.maximum(2.0, v * np.where(v * 3.6 >= 10.0, 1.0 + v * 3.6 / 100.0, slow))
