"""Comfort: nuPlan's bounds on smoothed ego signals, and how much consecutive plans differ (NAVSIM v2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from policies.comfort import MIN_INSTANTS, ComfortBounds, ComfortSignals, bounded_signals, smooth_motion
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue


@dataclass(frozen=True, kw_only=True)
class ExtendedComfortBounds:
    """NAVSIM v2's thresholds of the root mean square difference of two consecutive plans.

    Args:
        acceleration: [m/s²].
        jerk: [m/s³].
        yaw_rate: [rad/s].
        yaw_acceleration: [rad/s²].
    """

    acceleration: float = 0.7
    jerk: float = 0.5
    yaw_rate: float = 0.1
    yaw_acceleration: float = 0.1


COMFORT = Metric(name="comfort", source="nuPlan ego is comfortable", config=ComfortBounds())
EXTENDED_COMFORT = Metric(name="extended_comfort", source="NAVSIM v2 extended comfort", config=ExtendedComfortBounds())


def measure_comfort(record: DriveRecord) -> list[MetricValue]:
    """Whether all bounds hold, 0 or 1, and the share of consecutive plans that agree."""
    return [comfort(record), extended_comfort(record)]


def comfort(record: DriveRecord) -> MetricValue:
    """nuPlan's: 1 where no bound is broken, else 0."""
    if record.num_instants < MIN_INSTANTS:
        return COMFORT.not_applicable(f"shorter than {MIN_INSTANTS} instants")
    missing = _missing_signals(record)
    if missing:
        return COMFORT.unknown(missing)
    broken = comfort_violations(comfort_signals(record))
    return COMFORT.measured(not broken, f"broken: {', '.join(broken)}" if broken else "")


@lru_cache(maxsize=1)  # several metrics of one drive ask for them in turn
def comfort_signals(record: DriveRecord) -> ComfortSignals:
    """The signals after nuPlan's Savitzky–Golay filters (order 2; window 8 for accelerations, 15 for derivatives);
    windows shrink to shorter drives.

    Raises:
        ValueError: fewer than three instants, or acceleration or yaw rate are not known throughout.
    """
    missing = _missing_signals(record)
    if missing:
        raise ValueError(f"comfort cannot be measured: {missing}")
    return smooth_motion(record.ego_acceleration, record.speed, record.ego_yaw_rate, record.dt)


def comfort_violations(signals: ComfortSignals, bounds: ComfortBounds | None = None) -> dict[str, float]:
    """Name of each broken bound to the worst value; empty for a comfortable drive."""
    limited = bounded_signals(signals, bounds or ComfortBounds())
    return {name: float(values.max()) for name, (values, bound) in limited.items() if values.max() > bound}


def broken_comfort_bounds(record: DriveRecord) -> dict[str, float]:
    """The bounds that a drive breaks, none where they cannot be checked; for reports that name them."""
    return {} if _missing_signals(record) else comfort_violations(comfort_signals(record))


def extended_comfort(record: DriveRecord) -> MetricValue:
    """Share of the pairs of consecutive plans whose motions differ by no more than the bounds, where they overlap."""
    if record.plans is None:
        return EXTENDED_COMFORT.unknown("plans are not recorded")
    planned = np.asarray(np.isfinite(record.plans).all(axis=(1, 2)))
    pairs = np.flatnonzero(planned[1:] & planned[:-1])
    if not len(pairs) or record.plans.shape[1] < MIN_INSTANTS + 2:
        return EXTENDED_COMFORT.unknown("no two consecutive plans of at least 5 steps")
    first, second = record.plans[pairs, 1:], record.plans[pairs + 1, :-1]
    agree = plans_agree(first, second, record.dt)
    return EXTENDED_COMFORT.measured(agree.mean(), f"{len(pairs)} pairs of plans")


def plans_agree(
    first: np.ndarray, second: np.ndarray, dt: float, bounds: ExtendedComfortBounds | None = None
) -> np.ndarray:
    """Whether motions differ by no more than the bounds, bool [k].

    Args:
        first: x, y, yaw of k plans over the same times, [k, h, 3].
        second: likewise of the plans made next.
        dt: time between the poses [s].
        bounds: on the root mean square difference.
    """
    b = bounds or ExtendedComfortBounds()
    one, two = _plan_motion(first, dt), _plan_motion(second, dt)
    limits = np.array([b.acceleration, b.jerk, b.yaw_rate, b.yaw_acceleration])
    difference = np.sqrt(((one - two) ** 2).mean(axis=-1))
    return (difference <= limits[:, None]).all(axis=0)


def _plan_motion(plans: np.ndarray, dt: float) -> np.ndarray:
    """Acceleration, jerk, yaw rate, yaw acceleration of plans [k, h, 3], [4, k, h - 1]."""
    step = np.diff(plans[..., :2], axis=1)
    yaw = np.unwrap(plans[..., 2], axis=1)
    speed = (step[..., 0] * np.cos(yaw[:, :-1]) + step[..., 1] * np.sin(yaw[:, :-1])) / dt
    acceleration = np.gradient(speed, dt, axis=1)
    yaw_rate = np.diff(yaw, axis=1) / dt
    return np.stack([acceleration, np.gradient(acceleration, dt, axis=1), yaw_rate, np.gradient(yaw_rate, dt, axis=1)])


def _missing_signals(record: DriveRecord) -> str:
    if record.num_instants < MIN_INSTANTS:
        return f"needs at least {MIN_INSTANTS} instants, got {record.num_instants}"
    for name in ("ego_acceleration", "ego_yaw_rate"):
        known = np.isfinite(getattr(record, name))
        if not known.all():
            return f"{name} is not known at {np.count_nonzero(~known)} of {len(known)} instants"
    return ""
