"""Heights: grades, superelevation, bridges, and maps that are flat."""

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section, two_roads

from envs.maps.road_map import load_map

LANES = [section(0, lane(1), lane(-1))]


def test_a_flat_map_is_at_zero() -> None:
    road_map = load_map(two_roads())
    assert road_map.is_flat
    assert all(not other.z.any() for other in road_map.lanes.values())
    assert road_map.height_at(np.zeros((2, 2)), np.array([0.0, 5.0])).tolist() == [0.0, 0.0]


def test_heights_follow_the_grade() -> None:
    elevation = '<elevation s="0" a="2" b="0.05" c="0" d="0"/>'
    road_map = load_map(opendrive(road("1", 200, LANES, elevation=elevation)))
    xy = np.array([[0.3, 0.0], [77.7, -1.2], [150.1, 3.0], [150.1, -6.0]])
    assert road_map.height_at(xy, np.zeros(4)) == pytest.approx(2 + 0.05 * xy[:, 0], abs=1e-6)
    route = road_map.route_from(road_map.lane_at(np.array([10.0, -1.75])), 100.0, np.random.default_rng(0))  # type: ignore[arg-type]
    assert route.z == pytest.approx(2.5 + 0.05 * np.arange(101))
    point = road_map.lane_at(np.array([40.0, -1.75]))
    assert point is not None
    assert point.z == pytest.approx(4.0)


def test_superelevation_raises_the_left_side() -> None:
    lateral = '<superelevation s="0" a="0.1" b="0" c="0" d="0"/>'
    road_map = load_map(opendrive(road("1", 200, LANES, lateral=lateral)))
    left = road_map.lanes[(1, 0, 1)]
    assert left.points[:, 1] == pytest.approx(1.75 * np.cos(0.1))
    assert left.z == pytest.approx(1.75 * np.sin(0.1))
    assert road_map.lanes[(1, 0, -1)].z == pytest.approx(-1.75 * np.sin(0.1))
    across = np.array([[100.0, 3.0], [100.0, -2.0]])
    assert road_map.height_at(across, np.zeros(2)) == pytest.approx(np.tan(0.1) * across[:, 1], abs=1e-6)


def test_a_ramp_that_winds_over_itself_has_levels() -> None:
    """Two turns of a car park's ramp, 4 m higher with each."""
    radius, turns = 15.0, 2.0
    length = 2 * np.pi * radius * turns
    ramp = road(
        "ramp",
        length,
        [section(0, lane(-1))],
        shape=f'<arc curvature="{1 / radius}"/>',
        elevation=f'<elevation s="0" a="0" b="{4 * turns / length}" c="0" d="0"/>',
    )
    road_map = load_map(opendrive(ramp))
    place = np.array([[0.0, 2 * radius + 1.75]])  # half way round, on the lane outside of the line
    heights = road_map.height_at(np.repeat(place, 3, 0), np.array([1.0, 3.0, 6.5]))
    assert heights == pytest.approx([2.0, 2.0, 6.0], abs=0.05)
    assert road_map.drivable(place, 2.0).all()
    assert road_map.drivable(place, 6.0).all()
    assert not road_map.drivable(place, 9.0).any()
    upper, lower = road_map.lane_at(place[0], z=6.0), road_map.lane_at(place[0], z=2.0)
    assert upper is not None
    assert lower is not None
    assert upper.s - lower.s == pytest.approx(length / turns * (radius + 1.75) / radius, rel=0.01)
    assert road_map.lane_at(place[0], z=20.0) is None
