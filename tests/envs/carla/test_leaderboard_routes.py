"""Leaderboard routes: read from both versions of the files, laid over lanes; errors name file and route."""

import numpy as np
import pytest
from leaderboard_files import write_route
from places import SHARED_DATA

from envs.carla.leaderboard_routes import LeaderboardRoute, RouteError, read_routes, route_on_map
from envs.maps.road_map import load_map, load_town


@pytest.fixture(scope="module")
def town():
    return load_town(1)


def drawn_route(town, seed, length):
    rng = np.random.default_rng(seed)
    return town.route_from(town.random_lane_point(rng), length, rng)


@pytest.mark.parametrize("version", [1, 2])
def test_sparse_waypoints_give_the_route_they_were_taken_from(town, tmp_path, version):
    for seed in range(5):
        original = drawn_route(town, seed, 250.0)  # short of a way round a block
        points = np.concatenate([original.points[::20], original.points[-1:]])
        (read,) = read_routes(write_route(tmp_path / f"{seed}.xml", "Town_001", points, version))
        assert (read.id, read.town) == ("7", "Town_001")
        np.testing.assert_allclose(read.waypoints, points, atol=1e-3)
        route = route_on_map(town, read)
        assert route.length == pytest.approx(original.length, abs=3.0)
        middle = original.points[5:-5]
        assert max(abs(route.project(point)[1]) for point in middle) < 0.3
        steps = np.hypot(*np.diff(route.points, axis=0).T)
        assert steps.max() < 1.3
        told = [route.command[round(route.project(point)[0])] for point in original.points[5:-60:25]]
        assert told == original.command[5:-60:25].tolist()  # a junction that is cut off at the end says less


def test_a_lane_change_between_waypoints_is_a_straight_line(town):
    rng = np.random.default_rng(0)
    for _ in range(200):
        lane = town.random_lane_point(rng)
        beside = next((other for other in town.neighbours(lane) if other is not None), None)
        ahead = town.lanes[lane.key].length - lane.s
        if beside is not None and ahead > 45.0:
            break
    target = town._point(town.lanes[beside.key], beside.s + 40.0)
    ends = np.array([[lane.x, lane.y], [target.x, target.y]])
    route = route_on_map(town, LeaderboardRoute(source="change", id="0", town="", waypoints=ends))
    assert route.length == pytest.approx(40.0, abs=3.0)
    for point in ends:
        _, lateral, _ = route.project(point)
        assert abs(lateral) < 0.3
    assert np.hypot(*np.diff(route.points, axis=0).T).max() < 1.1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<routes", "is no XML"),
        ("<scenarios/>", "has no <route>"),
        ("<routes></routes>", "has no <route>"),
        ('<routes><route id="3"><waypoint x="0" y="0"/></route></routes>', "route 3: it names no town"),
        (
            '<routes><route id="3" town="A"><waypoint x="0" y="0"/></route></routes>',
            "route 3: a route needs at least 2",
        ),
        ('<routes><route id="3" town="A"><waypoint x="a" y="0"/></route></routes>', "route 3: waypoint 0 is none"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path, text, message):
    path = tmp_path / "routes.xml"
    path.write_text(text)
    with pytest.raises(RouteError, match=message):
        read_routes(path)


def test_a_route_that_is_not_on_the_map_says_where(town, tmp_path):
    points = np.concatenate([drawn_route(town, 0, 50.0).points[::20], [[9e3, 0.0]]])
    (read,) = read_routes(write_route(tmp_path / "far.xml", "Town_001", points))
    with pytest.raises(RouteError, match=r"far\.xml, route 7: waypoint 3 at \(9000\.0, 0\.0\) is not within 4 m"):
        route_on_map(town, read)
    with pytest.raises(FileNotFoundError, match="no routes at"):
        read_routes(tmp_path / "none.xml")


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the CARLA maps and routes in ../shared/data")
def test_the_leaderboards_own_routes_lie_on_town01():
    town = load_map(SHARED_DATA / "carla_maps/Town01.xodr")
    routes = read_routes(SHARED_DATA / "carla_routes/leaderboard_1.0/routes_training.xml")
    for read in (route for route in routes if route.town == "Town01"):
        route = route_on_map(town, read)
        direct = np.hypot(*np.diff(read.waypoints, axis=0).T).sum()
        assert direct < route.length < 1.1 * direct
        assert max(abs(route.project(point)[1]) for point in read.waypoints) < 1.0


@pytest.mark.parametrize("number", ["nan", "-inf", "1e999"])
def test_waypoints_that_are_no_numbers_are_named(tmp_path, number):
    path = tmp_path / "routes.xml"
    points = f'<waypoint x="1" y="1"/><waypoint x="2" y="{number}"/>'
    path.write_text(f'<routes><route id="7" town="Town01">{points}</route></routes>')
    with pytest.raises(RouteError, match=rf"routes.xml, route 7: waypoint 1 must have finite numbers, .*{number}"):
        read_routes(path)


@pytest.mark.parametrize("encoding", ["klingon", "utf-7", "utf-16"])
def test_an_encoding_that_cannot_be_read_is_named(tmp_path, encoding):
    path = tmp_path / "routes.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><routes/>')
    with pytest.raises(RouteError, match=r"routes.xml is no XML: .*encoding"):
        read_routes(path)
