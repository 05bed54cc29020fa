"""Bench2Drive: driving score, success, efficiency and smoothness; the last as its script computes it and as it should.

`tools/efficiency_smoothness_benchmark.py` takes CARLA's angular velocity in deg/s for rad/s, compares that yaw rate,
not its derivative, with the bound of yaw acceleration, and differentiates steps of 0.05 s as if they were 0.1 s.
Published numbers were made that way; the two variants do not compare.
"""

from __future__ import annotations

import numpy as np

from policies.comfort import ComfortBounds
from policies.savitzky_golay import savitzky_golay
from scenarios.metrics.carla_driving_score import count_infractions, penalty_2_0, relative_speed
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from scenarios.metrics.progress import route_completion

CHUNK = 20
"""Steps whose bounds are judged together."""
WINDOW = 7
"""Of its Savitzky–Golay filters; a longer one than the chunk is shortened to it."""
COMPAT_STEP = 0.1
"""The time step that the script assumes [s]."""

SCORE = Metric(
    name="bench2drive_driving_score", source="Bench2Drive: CARLA 2.0 without the min-speed penalty, in [0, 1]"
)
SUCCESS = Metric(name="bench2drive_success", source="Bench2Drive: route complete and no infraction")
EFFICIENCY = Metric(
    name="bench2drive_efficiency", source="Bench2Drive driving efficiency, speed over that of who is around"
)
COMPAT = Metric(
    name="bench2drive_smoothness_compat",
    source="Bench2Drive driving smoothness as its script has it: deg/s as rad/s, yaw rate as its derivative, dt 0.1 s",
    config=ComfortBounds(),
)
CORRECTED = Metric(
    name="bench2drive_smoothness",
    source="Bench2Drive driving smoothness with right units, derivatives and time step",
    config=ComfortBounds(),
)


def measure_bench2drive(record: DriveRecord) -> list[MetricValue]:
    """Driving score in [0, 1], success, efficiency (1 is as fast as the others), smoothness as published, corrected."""
    completion, found = route_completion(record), count_infractions(record)
    reason = completion.reason or (found if isinstance(found, str) else "")
    if isinstance(found, str) or completion.value is None:
        scores = [SCORE.unknown(reason), SUCCESS.unknown(reason)]
    else:
        scores = [
            SCORE.measured(completion.value * penalty_2_0(found, with_min_speed=False)),
            SUCCESS.measured(completion.value == 1.0 and found.num_events == 0 and found.outside_lane == 0.0),
        ]
    efficiency = EFFICIENCY.unknown("road users are not known")
    if record.tracks_complete:
        efficiency = EFFICIENCY.measured(relative_speed(record))
    return [*scores, efficiency, smoothness(record, compat=True), smoothness(record, compat=False)]


def smoothness(record: DriveRecord, *, compat: bool) -> MetricValue:
    """Share of the full chunks of 20 steps in which all bounds hold; of a shorter drive, whether they hold in it."""
    metric, signals = COMPAT if compat else CORRECTED, (record.ego_acceleration, record.ego_yaw_rate)
    if not all(np.isfinite(signal).all() for signal in signals):
        return metric.unknown("acceleration and yaw rate are not known throughout")
    if record.num_instants < 3:
        return metric.unknown(f"needs at least 3 instants, got {record.num_instants}")
    size = min(CHUNK, record.num_instants)
    num_chunks = record.num_instants // size
    acceleration, yaw_rate, speed = (
        values[: num_chunks * size].reshape(num_chunks, size) for values in (*signals, record.speed)
    )
    return metric.measured(_are_smooth(acceleration, yaw_rate, speed, record.dt, compat=compat).mean())


def _are_smooth(
    longitudinal: np.ndarray, yaw_rate: np.ndarray, speed: np.ndarray, dt: float, *, compat: bool
) -> np.ndarray:
    """Which chunks [k, s] keep all bounds, bool [k]."""
    b, lateral = ComfortBounds(), speed * yaw_rate
    if compat:
        dt, yaw_rate = COMPAT_STEP, np.degrees(yaw_rate)
    smooth_longitudinal, smooth_yaw_rate = _filter(longitudinal), _filter(yaw_rate)
    yaw_acceleration = smooth_yaw_rate if compat else _filter(yaw_rate, dt)
    within = [
        (smooth_longitudinal > b.min_acceleration) & (smooth_longitudinal < b.max_acceleration),
        np.abs(_filter(lateral)) < b.max_lateral_acceleration,
        np.abs(_filter(_filter(np.hypot(longitudinal, lateral)), dt)) < b.max_jerk,
        np.abs(_filter(smooth_longitudinal, dt)) < b.max_longitudinal_jerk,
        np.abs(yaw_acceleration) < b.max_yaw_acceleration,
        np.abs(smooth_yaw_rate) < b.max_yaw_rate,
    ]
    return np.all(within, axis=(0, 2))


def _filter(values: np.ndarray, dt: float | None = None) -> np.ndarray:
    """Values [k, s] smoothed, or their derivative over steps of dt [s]."""
    if dt is None:
        return savitzky_golay(values, WINDOW)
    return savitzky_golay(values, WINDOW, derivative=1, dt=dt)
