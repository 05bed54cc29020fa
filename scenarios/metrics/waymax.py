"""Waymax's metrics: overlap, off the road, wrong way, off the route, infeasible motion, and its default reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drivable_area import corner_excursion
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import MIN_KNOWN, Metric, MetricValue
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import LaneColumn, ObjectColumn


@dataclass(frozen=True, kw_only=True)
class WaymaxConfig:
    """Waymax's thresholds.

    Args:
        wrong_way: as far or farther from a valid path [m].
        off_route: farther than this from the route [m].
        max_acceleration: absolute [m/s²].
        max_curvature: absolute [1/m].
    """

    wrong_way: float = 3.5
    off_route: float = 5.0
    max_acceleration: float = 10.4
    max_curvature: float = 0.3


CONFIG = WaymaxConfig()
MIN_TRAVEL = 0.05
"""A step shorter than this shows no curvature [m]."""
OVERLAP = Metric(name="waymax_overlap", source="Waymax overlap, share of instants")
OFF_ROAD = Metric(name="waymax_offroad", source="Waymax offroad: any corner past the road edge, share of instants")
WRONG_WAY = Metric(
    name="waymax_wrong_way",
    source="Waymax wrong way, the route as the only valid path, share of instants",
    config=CONFIG,
)
OFF_ROUTE = Metric(name="waymax_off_route", source="Waymax off route, share of instants", config=CONFIG)
INFEASIBLE = Metric(
    name="waymax_kinematic_infeasibility", source="Waymax kinematics infeasibility, share of steps", config=CONFIG
)
REWARD = Metric(name="waymax_reward", source="Waymax default reward −overlap −offroad, mean over instants")


def measure_waymax(record: DriveRecord) -> list[MetricValue]:
    """Each as the share of instants, in [0, 1], and the mean default reward, in [-2, 0]."""
    overlaps, off_road = _overlap(record), _off_road(record)
    if overlaps.value is None or off_road.value is None:
        reward = REWARD.unknown(overlaps.reason or off_road.reason)
    else:
        reward = REWARD.measured(0.0 - overlaps.value - off_road.value)
    infeasible = INFEASIBLE.not_applicable("a drive without a step")
    if record.num_instants > 1:
        infeasible = INFEASIBLE.measured(infeasible_steps(record).mean())
    off_path = (
        _beside(record, WRONG_WAY, CONFIG.wrong_way),
        _beside(record, OFF_ROUTE, np.nextafter(CONFIG.off_route, np.inf)),
    )
    return [overlaps, off_road, *off_path, infeasible, reward]


def infeasible_steps(record: DriveRecord) -> np.ndarray:
    """Steps that no car could drive, by the inverse of a bicycle model, bool [t - 1]."""
    speed, yaw = record.speed, record.ego[:, ObjectColumn.YAW]
    acceleration = np.diff(speed) / record.dt
    travelled = np.abs(speed[:-1] + speed[1:]) / 2 * record.dt
    curvature = np.where(
        travelled >= MIN_TRAVEL, np.abs(wrap_angle(np.diff(yaw))) / np.maximum(travelled, MIN_TRAVEL), 0.0
    )
    return (np.abs(acceleration) > CONFIG.max_acceleration) | (curvature > CONFIG.max_curvature)


def _overlap(record: DriveRecord) -> MetricValue:
    if not record.tracks_complete:
        return OVERLAP.unknown("road users are not known")
    return OVERLAP.measured(record.overlaps.any(axis=0).mean())


def _off_road(record: DriveRecord) -> MetricValue:
    if record.drivable is not None:
        return OFF_ROAD.measured((corner_excursion(record) > 0).mean(), "from outlines")
    if record.off_road is not None:
        return OFF_ROAD.measured(record.off_road.mean(), "as the world reports it, which tolerates 0.3 m")
    return OFF_ROAD.unknown("neither drivable areas nor reports of the world about them are known")


def _beside(record: DriveRecord, metric: Metric, distance: float) -> MetricValue:
    """Share of instants at which the ego is this far or farther from its route."""
    offset = record.lane[:, LaneColumn.LATERAL_OFFSET]
    known = np.isfinite(offset)
    if known.mean() < MIN_KNOWN:
        return metric.unknown(f"the distance from the route is known at {known.mean():.0%} of the drive")
    return metric.measured((np.abs(offset[known]) >= distance).mean())
