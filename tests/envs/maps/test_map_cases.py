"""Small maps that each show one thing public maps do, with what is right for each; all are driven."""

import warnings

import gymnasium
import numpy as np
import pytest
from places import ROOT

import drivedit  # noqa: F401 (registers the envs)
from envs.maps.road_map import RoadMap, load_map
from policies.rule_based import LaneFollower
from worldsim.datatypes.scene import SceneState

CASES = ROOT / "tests" / "data" / "maps"
NAMES = sorted(path.stem for path in CASES.glob("*.xodr"))
KMH = 1 / 3.6


def case(name: str) -> RoadMap:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_map(CASES / f"{name}.xodr")


def test_the_centre_line_is_broken_and_yellow_between_white_edges() -> None:
    marks = case("centre-line").geometry.markings
    centre = [mark for mark in marks if np.abs(mark.points[:, 1]).max() < 1e-9]
    assert [(mark.kind, mark.color, mark.width) for mark in centre] == [("broken", "yellow", 0.15)] * 2
    edges = [mark for mark in marks if np.allclose(np.abs(mark.points[:, 1]), 3.5)]
    assert {(mark.kind, mark.color) for mark in edges} == {("solid", "white")}
    assert len(edges) == 4
    for mark in marks:
        assert np.ptp(mark.points[:, 0]) == pytest.approx(300)


def test_a_single_road_is_driven_to_its_end() -> None:
    road_map, rng = case("single-road"), np.random.default_rng(0)
    assert len(road_map.lanes) == 4
    for _ in range(10):
        start = road_map.random_lane_point(rng)
        route = road_map.route_from(start, 2000.0, rng)
        lane = road_map.lanes[start.key]
        assert route.length == pytest.approx(lane.length - start.s, abs=1)
        assert lane.length == pytest.approx(1000)


@pytest.mark.parametrize("name", ["junction-id-is-road-id", "right-hand-junction"])
def test_every_lane_leads_into_and_out_of_the_junction(name: str) -> None:
    road_map = case(name)
    inside = {key: lane for key, lane in road_map.lanes.items() if lane.junction >= 0}
    entered = {key for lane in road_map.lanes.values() for key in lane.successors}
    assert inside
    assert set(inside) <= entered
    assert all(len(lane.successors) == 1 for lane in inside.values())
    leading_in = [lane for lane in road_map.lanes.values() if lane.junction < 0 and lane.successors]
    assert len(leading_in) == 3  # three arms
    assert all(len(lane.successors) == 2 for lane in leading_in)


def test_a_lanes_own_limit_overrides_its_roads() -> None:
    lanes = case("lane-speed").lanes
    assert len(lanes) == 4
    for lane in lanes.values():
        assert lane.speed_limit == pytest.approx(30 * KMH)


def test_a_signs_limit_holds_from_where_it_stands() -> None:
    road_map = case("speed-sign")
    lane = road_map.lanes[(0, 0, -1)]
    assert lane.limit_at(19.0) == pytest.approx(50 * KMH)
    assert lane.limit_at(20.0) == pytest.approx(30 * KMH)
    assert road_map.lanes[(1, 0, -1)].speed_limit == pytest.approx(30 * KMH)  # no junction, no other sign between
    assert road_map.lanes[(0, 0, 1)].speed_limit == pytest.approx(50 * KMH)  # it faces the other direction
    start = road_map.lane_at(np.array([10.0, -1.75]))
    assert start is not None
    route = road_map.route_from(start, 400.0, np.random.default_rng(0))
    assert route.speed_limit[[9, 10, 399]] == pytest.approx(np.array([50, 30, 30]) * KMH)


def test_a_motorway_without_a_limit_is_no_town_street() -> None:
    for lane in case("motorway-no-speed").lanes.values():
        assert lane.speed_limit == pytest.approx(130 * KMH)


@pytest.mark.parametrize("name", ["namespace", "comment-first", "big-ids", "string-ids", "lane-borders"])
def test_ways_of_writing_change_nothing(name: str) -> None:
    plain, same = case("centre-line"), case(name)
    assert len(plain.lanes) == len(same.lanes)
    for (key, one), (other_key, other) in zip(sorted(plain.lanes.items()), sorted(same.lanes.items()), strict=True):
        assert key[1:] == other_key[1:]
        assert np.allclose(one.points, other.points, atol=1e-9)
        assert np.allclose(other.half_width, 1.75)
        assert len(one.successors) == len(other.successors)


@pytest.mark.parametrize(
    ("name", "ids"), [("big-ids", ["24000000009", "24000000010"]), ("string-ids", ["main", "exit"])]
)
def test_a_roads_own_id_is_kept_for_messages(name: str, ids: list[str]) -> None:
    road_map = case(name)
    assert sorted(road_map.road_ids.values()) == sorted(ids)
    assert set(road_map.road_ids) == {key[0] for key in road_map.lanes}
    text = (CASES / f"{name}.xodr").read_text().replace('a="3.5"', 'a="wide"', 1)
    with pytest.raises(ValueError, match=f"road '{ids[0]}'.*a='wide'; it must be a finite number"):
        load_map(text)


def test_large_coordinates_cost_no_precision() -> None:
    plain, far = case("centre-line"), case("utm")
    for key, lane in plain.lanes.items():
        assert np.allclose(far.lanes[key].points - [361850.0, 5296686.0], lane.points, atol=1e-6)
    assert far.drivable(np.array([[361860.0, 5296687.0], [361860.0, 5296692.0]])).tolist() == [True, False]


def test_a_direct_junction_links_the_lanes_it_names() -> None:
    lanes = case("direct-junction").lanes
    assert lanes[(11, 0, -1)].successors == ((12, 0, -1),)
    assert lanes[(11, 0, -2)].successors == ((13, 0, -1),)


def test_traffic_keeps_left() -> None:
    road_map = case("left-hand")
    assert road_map.left_hand
    assert not case("centre-line").left_hand
    left = road_map.lanes[(0, 0, 1)]
    assert np.allclose(left.yaw, 0)
    assert np.allclose(left.points[:, 1], 1.75)
    assert left.successors == ((1, 0, 1),)
    assert np.allclose(np.abs(road_map.lanes[(0, 0, -1)].yaw), np.pi)


def test_a_bridge_is_on_another_level() -> None:
    road_map = case("overpass")
    crossing = np.array([[0.0, 1.0]])
    assert not road_map.is_flat
    assert road_map.height_at(np.repeat(crossing, 2, 0), np.array([0.5, 7.0])) == pytest.approx([0.0, 8.0])
    beside = np.array([[0.0, 20.0]])  # on the bridge alone
    assert road_map.drivable(crossing, 0.0).all()
    assert road_map.drivable(crossing, 8.0).all()
    assert not road_map.drivable(crossing, 4.0).any()
    assert road_map.drivable(beside).all()
    assert not road_map.drivable(beside, 0.0).any()
    below, above = road_map.lane_at(crossing[0], z=0.0), road_map.lane_at(crossing[0], z=8.0)
    assert below is not None
    assert above is not None
    assert (road_map.road_ids[below.key[0]], below.z) in {("0", 0.0), ("1", 0.0)}
    assert (road_map.road_ids[above.key[0]], above.z) in {("10", 8.0), ("11", 8.0)}


@pytest.mark.parametrize("name", NAMES)
def test_the_lane_is_kept_on_every_case(name: str) -> None:
    env, policy = gymnasium.make("DriveDiT-Road-v0", obs="state"), LaneFollower()
    _, info = env.reset(seed=0, options={"map": str(CASES / f"{name}.xodr")})
    for _ in range(50):
        _, _, terminated, truncated, info = env.step(policy.act(np.zeros(0), info))
        scene = SceneState.from_vector(info["scene"])
        assert abs(scene.lateral_offset) < 0.5
        assert not terminated
        assert not truncated
    env.close()


@pytest.mark.parametrize("name", ["single-road", "centre-line"])
def test_the_end_of_the_road_is_the_end_of_the_route(name: str) -> None:
    env, policy = gymnasium.make("DriveDiT-Road-v0", obs="state", max_episode_seconds=120.0), LaneFollower()
    pose = (900.0, -1.75, 0.0) if name == "single-road" else (540.0, -1.75, 0.0)
    for seed in range(3):
        _, info = env.reset(seed=seed, options={"map": str(CASES / f"{name}.xodr"), "start_pose": pose})
        terminated = truncated = False
        while not (terminated or truncated):
            _, _, terminated, truncated, info = env.step(policy.act(np.zeros(0), info))
        assert info["route_done"]
        assert not info["off_road"]
        assert not info["collision"]
    env.close()
