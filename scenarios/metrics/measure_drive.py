"""All metrics of a drive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenarios.metrics.bench2drive import measure_bench2drive
from scenarios.metrics.carla_driving_score import measure_carla
from scenarios.metrics.collision import measure_collisions
from scenarios.metrics.comfort import measure_comfort
from scenarios.metrics.direction import measure_direction
from scenarios.metrics.drivable_area import measure_drivable_area
from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.encounters import measure_encounters
from scenarios.metrics.fuzzy_safety import measure_fuzzy_safety
from scenarios.metrics.gap import measure_gap
from scenarios.metrics.hugsim import measure_hugsim
from scenarios.metrics.lane_keeping import measure_lane_keeping
from scenarios.metrics.metric_value import MetricValue
from scenarios.metrics.nuplan import measure_nuplan
from scenarios.metrics.pdm import measure_pdm
from scenarios.metrics.progress import measure_progress
from scenarios.metrics.r157 import measure_r157
from scenarios.metrics.rss import measure_rss
from scenarios.metrics.signal_violations import measure_signal_violations
from scenarios.metrics.speed_limit import measure_speed_limit
from scenarios.metrics.time_to_collision import measure_time_to_collision
from scenarios.metrics.waymax import measure_waymax
from worldsim.datatypes.scene import LANE_NAMES, OBJECT_NAMES

FAMILIES: Mapping[str, Callable[[DriveRecord], list[MetricValue]]] = {
    "collision": measure_collisions,
    "time to collision": measure_time_to_collision,
    "encounters": measure_encounters,
    "gap": measure_gap,
    "comfort": measure_comfort,
    "drivable area": measure_drivable_area,
    "direction": measure_direction,
    "lane keeping": measure_lane_keeping,
    "progress": measure_progress,
    "speed limit": measure_speed_limit,
    "signals": measure_signal_violations,
    "nuPlan": measure_nuplan,
    "PDM": measure_pdm,
    "CARLA": measure_carla,
    "Bench2Drive": measure_bench2drive,
    "Waymax": measure_waymax,
    "HUGSIM": measure_hugsim,
    "R157": measure_r157,
    "fuzzy safety": measure_fuzzy_safety,
    "RSS": measure_rss,
}
"""What measures each family; recovery needs to know the disturbance and is measured where that is known."""


def measure_drive(record: DriveRecord, families: Collection[str] = FAMILIES.keys()) -> dict[str, MetricValue]:
    """Every metric of a drive by its name; of some `families` alone where these are named."""
    return {value.name: value for name, family in FAMILIES.items() if name in families for value in family(record)}


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """What a metric is, whatever the drive.

    Args:
        family: in FAMILIES.
        unit: as in MetricValue.
        source: likewise.
    """

    family: str
    unit: str
    source: str


@lru_cache(maxsize=1)
def define_metrics() -> Mapping[str, MetricDefinition]:
    """Every metric by its name, in the order of `measure_drive`."""
    return {
        value.name: MetricDefinition(family=name, unit=value.unit, source=value.source)
        for name, family in FAMILIES.items()
        for value in family(_nothing_known())
    }


def _nothing_known() -> DriveRecord:
    """A record of which metrics say no more than what they are."""
    return DriveRecord(
        dt=0.1,
        ego=np.zeros((3, len(OBJECT_NAMES))),
        ego_acceleration=np.full(3, np.nan),
        ego_yaw_rate=np.full(3, np.nan),
        tracks=np.zeros((0, 3, len(OBJECT_NAMES))),
        track_known=np.zeros((0, 3), bool),
        track_kinds=np.zeros(0, np.int64),
        tracks_complete=False,
        lane=np.full((3, len(LANE_NAMES)), np.nan),
        lead_gap=np.full(3, np.nan),
    )
