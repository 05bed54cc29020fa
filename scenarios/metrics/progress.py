"""Progress: along the route, against a competent driver's, and of a route that was to be driven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue


@dataclass(frozen=True, kw_only=True)
class ProgressConfig:
    """Thresholds of nuPlan, NAVSIM and the CARLA leaderboard.

    Args:
        nuplan_least: shorter ways count as this [m].
        making_progress: nuPlan's share of the expert's progress that is progress.
        navsim_least: where a competent driver makes no more than this, none is asked for [m].
        carla_complete: from this share on a route is complete.
    """

    nuplan_least: float = 0.1
    making_progress: float = 0.2
    navsim_least: float = 5.0
    carla_complete: float = 0.99


CONFIG = ProgressConfig()
PROGRESS = Metric(name="progress", unit="m", source="sum of the steps along the route")
EXPERT_RATIO = Metric(name="ego_progress_nuplan", source="nuPlan ego progress along expert route", config=CONFIG)
MAKING = Metric(name="making_progress", source="nuPlan ego is making progress", config=CONFIG)
NAVSIM_RATIO = Metric(name="ego_progress_navsim", source="NAVSIM ego progress, one reference driver", config=CONFIG)
COMPLETION = Metric(name="route_completion", source="CARLA leaderboard route completion", config=CONFIG)
NO_PROGRESS = "progress along the route is not known"
NO_REFERENCE = "the progress of a reference driver is not known"


def measure_progress(record: DriveRecord) -> list[MetricValue]:
    """Progress [m], nuPlan's and NAVSIM's ratios to a reference driver, and the share of the route that was driven."""
    way = distance_along_route(record)
    return [
        PROGRESS.unknown(NO_PROGRESS) if way is None else PROGRESS.measured(way),
        progress_of_expert(record),
        making_progress(record),
        progress_of_reference(record),
        route_completion(record),
    ]


def distance_along_route(record: DriveRecord) -> float | None:
    """[m]; None where it is not known in every step."""
    if record.progress is None or not np.isfinite(record.progress).all():
        return None
    return float(record.progress.sum())


def progress_of_expert(record: DriveRecord) -> MetricValue:
    """nuPlan's EP: min(1, max(s, 0.1) / max(s_expert, 0.1))."""
    way = distance_along_route(record)
    if way is None or record.reference_progress is None:
        return EXPERT_RATIO.unknown(NO_PROGRESS if way is None else NO_REFERENCE)
    least = CONFIG.nuplan_least
    return EXPERT_RATIO.measured(min(1.0, max(way, least) / max(record.reference_progress, least)))


def making_progress(record: DriveRecord) -> MetricValue:
    """nuPlan's MP: 1 where EP is above 0.2, else 0."""
    ratio = progress_of_expert(record)
    if ratio.value is None:
        return MAKING.unknown(ratio.reason)
    return MAKING.measured(ratio.value > CONFIG.making_progress)


def progress_of_reference(record: DriveRecord) -> MetricValue:
    """NAVSIM's EP, in [0, 1]: s / s_reference, 1 where the reference driver hardly moved."""
    way = distance_along_route(record)
    if way is None or record.reference_progress is None:
        return NAVSIM_RATIO.unknown(NO_PROGRESS if way is None else NO_REFERENCE)
    if record.reference_progress <= CONFIG.navsim_least:
        return NAVSIM_RATIO.measured(1.0)
    return NAVSIM_RATIO.measured(np.clip(way / record.reference_progress, 0.0, 1.0))


def route_completion(record: DriveRecord) -> MetricValue:
    """Share of the route that was driven, in [0, 1]; 1 from 99 % on."""
    way = distance_along_route(record)
    if way is None or record.route_length is None:
        return COMPLETION.unknown(NO_PROGRESS if way is None else "the length of the route is not known")
    if not record.route_length > 0:
        return COMPLETION.not_applicable("a route without length")
    share = float(np.clip(way / record.route_length, 0.0, 1.0))
    return COMPLETION.measured(1.0 if share >= CONFIG.carla_complete else share)
