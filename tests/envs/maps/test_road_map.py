"""Road maps: CARLA's own towns, routes and projections with known answers, and maps that must be refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from places import SHARED_DATA

from envs.maps.road_map import RoadMap, load_map, load_town
from envs.maps.route import Route, RouteStops
from worldsim.datatypes.scene import RouteCommand

MAPS = SHARED_DATA / "carla_maps"


@pytest.fixture(scope="module")
def town() -> RoadMap:
    return load_town(3)


def circle(radius: float, length: int = 120) -> Route:
    angle = np.arange(length + 1) / radius
    return Route(
        points=radius * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1),
        z=np.zeros(length + 1),
        yaw=(angle + np.pi) % (2 * np.pi) - np.pi,
        half_width=np.full(length + 1, 1.75),
        speed_limit=np.full(length + 1, 13.9),
        command=np.zeros(length + 1, np.int64),
        lanes=np.full(length + 1, -1),
        stops=RouteStops.none(),
        length=float(length),
    )


@pytest.mark.parametrize("hint", [None, 38.0])
def test_projection_on_a_left_curve(hint: float | None) -> None:
    route, angle = circle(50.0), 40.3 / 50
    inside = 48.5 * np.array([np.sin(angle), -np.cos(angle)]) + [0, 50.0]
    s, lateral, yaw = route.project(inside, hint)
    assert s == pytest.approx(40.3, abs=0.05)
    assert lateral == pytest.approx(1.5, abs=0.01)
    assert yaw == pytest.approx(angle, abs=0.002)


def test_projection_goes_on_beyond_both_ends() -> None:
    route = circle(1e6, 20)
    assert route.project(np.array([-3.0, -1.0]))[:2] == pytest.approx((-3.0, -1.0), abs=1e-3)
    assert route.project(np.array([24.0, 2.0]))[:2] == pytest.approx((24.0, 2.0), abs=1e-3)


def test_routes_are_smooth_drivable_and_a_metre_apart(town: RoadMap) -> None:
    rng = np.random.default_rng(0)
    commands: set[int] = set()
    for _ in range(8):
        route = town.route_from(town.random_lane_point(rng), 500.0, rng)
        assert route.length == 500
        assert town.drivable(route.points).all()
        gaps = np.linalg.norm(np.diff(route.points, axis=0), axis=1)
        assert gaps.max() < 1.05
        assert np.abs(np.diff(np.unwrap(route.yaw))).max() < np.radians(25)
        assert (route.speed_limit > 5).all()
        commands |= set(route.command.tolist())
    assert commands >= {RouteCommand.FOLLOW, RouteCommand.LEFT, RouteCommand.RIGHT}


def test_a_turns_command_is_the_way_the_route_turns(town: RoadMap) -> None:
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(12):
        route = town.route_from(town.random_lane_point(rng), 400.0, rng)
        yaw = np.unwrap(route.yaw)
        changes = np.flatnonzero(np.diff(route.command))
        for a, b in pairwise(changes):
            command = route.command[b]
            if command in (RouteCommand.LEFT, RouteCommand.RIGHT) and route.command[b + 1] == RouteCommand.FOLLOW:
                seen += 1
                rotate = yaw[b] - yaw[min(a + 31, b)]
                assert (rotate > 0.3) == (command == RouteCommand.LEFT)
                assert (rotate < -0.3) == (command == RouteCommand.RIGHT)
    assert seen > 3


def test_lane_at_finds_the_lane_it_was_asked_beside(town: RoadMap) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        point = town.random_lane_point(rng)
        left = np.array([-np.sin(point.yaw), np.cos(point.yaw)])
        found = town.lane_at(np.array([point.x, point.y]) + 0.4 * left)
        assert found is not None
        assert found.distance == pytest.approx(0.4, abs=0.05)
        assert abs(np.angle(np.exp(1j * (found.yaw - point.yaw)))) < 0.05
    assert town.lane_at(np.array([1e5, 1e5])) is None


def test_neighbours_lie_beside_and_point_the_same_way(town: RoadMap) -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(200):
        point = town.random_lane_point(rng)
        for side, other in zip((1, -1), town.neighbours(point), strict=True):
            if other is None:
                continue
            found += 1
            d = np.array([other.x - point.x, other.y - point.y])
            across = -np.sin(point.yaw) * d[0] + np.cos(point.yaw) * d[1]
            assert side * across == pytest.approx(point.half_width + other.half_width, abs=0.4)
            assert abs(np.angle(np.exp(1j * (other.yaw - point.yaw)))) < 0.1
    assert found > 0


def test_equal_seeds_give_equal_routes(town: RoadMap) -> None:
    a, b = (
        town.route_from(town.random_lane_point(rng), 300.0, rng)
        for rng in (np.random.default_rng(7), np.random.default_rng(7))
    )
    assert np.array_equal(a.points, b.points)


@pytest.mark.parametrize("text", ["<", "<OpenDRIVE/>", "<OpenDRIVE><header/></OpenDRIVE>"])
def test_a_map_that_cannot_be_parsed_is_refused(text: str) -> None:
    for _ in range(2):  # the verdict is remembered, and stays the same
        with pytest.raises(ValueError, match="map given as text cannot be used"):
            load_map(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.xodr"):
        load_map(tmp_path / "nowhere.xodr")


@pytest.mark.skipif(not MAPS.is_dir(), reason="needs the CARLA maps in ../shared/data/carla_maps")
@pytest.mark.parametrize("name", ["Town01", "Town02", pytest.param("Town04", marks=pytest.mark.slow)])
def test_carlas_towns(name: str) -> None:
    road_map = load_map(MAPS / f"{name}.xodr")
    rng = np.random.default_rng(0)
    route = road_map.route_from(road_map.random_lane_point(rng), 300.0, rng)
    assert route.length >= 150
    assert road_map.drivable(route.points).mean() > 0.99
    x_min, y_min, x_max, y_max = road_map.geometry.bounds
    outside = np.array([[x_min - 30, y_min - 30], [x_max + 30, y_max + 30]])
    assert not road_map.drivable(outside).any()
