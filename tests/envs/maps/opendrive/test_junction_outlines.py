"""Paved areas of junctions: gaps between turning lanes are closed, islands are not."""

import numpy as np
import pytest

from envs.maps.geometry import LanePolygon, RoadGeometry
from envs.maps.levels import Levels
from envs.maps.opendrive.junction_outlines import outline_junction


def ring(radius: float, width: float, kind: str = "driving", pieces: int = 4) -> list[LanePolygon]:
    """A ring of lanes, `radius` at its inner edge."""
    polygons = []
    for k in range(pieces):
        angle = np.linspace(0, 2 * np.pi / pieces, 40) + 2 * np.pi * k / pieces
        unit = np.stack([np.cos(angle), np.sin(angle)], -1)
        flat = np.zeros(len(angle))
        polygons.append(
            LanePolygon(
                kind=kind,
                left=radius * unit,
                right=(radius + width) * unit,
                left_z=flat,
                right_z=flat,
                in_junction=True,
            )
        )
    return polygons


def drivable(polygons: list[LanePolygon], xy: list[tuple[float, float]]) -> list[bool]:
    junctions = outline_junction(polygons)
    points = np.concatenate([polygon.outline for polygon in polygons])
    bounds = (*map(float, points.min(0)), *map(float, points.max(0)))
    geometry = RoadGeometry(
        lanes=tuple(polygons),
        markings=(),
        crosswalks=(),
        stop_lines=(),
        aprons=(),
        junctions=junctions,
        bounds=bounds,  # type: ignore[arg-type]
    )
    return Levels(geometry).paved(np.array(xy), None).tolist()


@pytest.mark.parametrize("radius", [4.0, 10.0, 25.0])
def test_a_roundabouts_island_is_not_drivable(radius: float) -> None:
    places = [(0.0, 0.0), (radius - 1.0, 0.0), (radius + 1.0, 0.0), (0.0, radius + 2.0), (radius + 6.0, 0.0)]
    assert drivable(ring(radius, 4.0), places) == [False, False, True, True, False]


def test_a_small_gap_is_pavement() -> None:
    assert drivable(ring(1.5, 4.0), [(0.0, 0.0)]) == [True]


def test_a_small_island_with_a_kerb_of_its_own_is_not() -> None:
    assert drivable(ring(1.8, 4.0) + ring(0.2, 1.6, "sidewalk"), [(1.0, 0.0)]) == [False]


def test_two_islands_are_both_cut_out() -> None:
    first, shift = ring(5.0, 4.0), np.array([17.0, 0.0])
    second = [
        LanePolygon(
            kind=p.kind,
            left=p.left + shift,
            right=p.right + shift,
            left_z=p.left_z,
            right_z=p.right_z,
            in_junction=True,
        )
        for p in first
    ]
    assert drivable(first + second, [(0.0, 0.0), (17.0, 0.0), (8.5, 0.0), (7.0, 0.0)]) == [False, False, True, True]
