"""Drivable area compliance: how far the ego's corners get off what may be driven on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from scenarios.metrics.metric_value import Metric, MetricValue
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.outlines import is_inside


@dataclass(frozen=True, kw_only=True)
class DrivableAreaConfig:
    """nuPlan's threshold.

    Args:
        tolerance: a corner may be this far outside [m].
    """

    tolerance: float = 0.3


SOURCE = "nuPlan drivable area compliance"
COMPLIANCE = Metric(name="drivable_area_compliance", source=SOURCE, config=DrivableAreaConfig())
EXCURSION = Metric(name="drivable_area_excursion", unit="m", source=SOURCE)
NO_GROUND = "neither drivable areas nor reports of the world about them are known"


def measure_drivable_area(record: DriveRecord) -> list[MetricValue]:
    """Compliance, 0 or 1, and the largest distance of a corner from the drivable area [m]."""
    off = off_drivable_area(record)
    if off is None:
        return [COMPLIANCE.unknown(NO_GROUND), EXCURSION.unknown(NO_GROUND)]
    compliance = COMPLIANCE.measured(not off.any(), _basis(record))
    if record.drivable is None:
        return [compliance, EXCURSION.unknown("outlines of drivable areas are not known")]
    return [compliance, EXCURSION.measured(corner_excursion(record).max())]


def off_drivable_area(record: DriveRecord) -> np.ndarray | None:
    """Where a corner is more than the tolerance outside, bool [t]; from outlines where there are any, else as the world
    reports it; None where neither is known."""
    if record.drivable is not None:
        return corner_excursion(record) > DrivableAreaConfig().tolerance
    return record.off_road


@lru_cache(maxsize=1)  # several metrics of one drive ask for it in turn
def corner_excursion(record: DriveRecord) -> np.ndarray:
    """Distance from the drivable area of the ego's farthest corner, 0 inside, [t] [m]; the areas must be known."""
    assert record.drivable is not None
    points = corners(record.ego_boxes).reshape(-1, 2)
    return distance_outside(record.drivable, points).reshape(-1, 4).max(axis=1)


def distance_outside(outlines: Sequence[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Distance of points [n, 2] from the union of areas with outlines [k, 2], 0 inside of any, [n] [m].

    Without areas everything is infinitely far outside.
    """
    inside = np.zeros(len(points), bool)
    for outline in outlines:
        low, high = outline.min(axis=0), outline.max(axis=0)
        near = np.flatnonzero(~inside & ((points >= low) & (points <= high)).all(axis=1))
        inside[near] = is_inside(points[near], outline)

    outside = np.flatnonzero(~inside)
    distance = np.zeros(len(points))
    distance[outside] = np.inf
    for outline in outlines if len(outside) else ():
        distance[outside] = np.minimum(distance[outside], _distance_to_outline(outline, points[outside]))
    return distance


def _distance_to_outline(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of points [n, 2] from the nearest edge of an outline [k, 2], [n] [m]."""
    along = np.roll(outline, -1, axis=0) - outline
    offset = points[:, None] - outline
    share = (offset * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
    miss = offset - np.clip(share, 0.0, 1.0)[..., None] * along
    return np.sqrt((miss * miss).sum(-1)).min(axis=1)


def _basis(record: DriveRecord) -> str:
    return "from outlines" if record.drivable is not None else "as the world reports it"
