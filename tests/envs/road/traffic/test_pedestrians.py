"""Pedestrians: when they cross, and what they do when a vehicle is in the way."""

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from envs.maps.road_map import load_town
from envs.road.traffic.pedestrians import Pedestrians
from envs.road.traffic.spawn_points import SpawnPoints
from worldsim.datatypes.signals import SignalKind

NOBODY = np.zeros((0, 5)), np.zeros(0), np.zeros(0)


@pytest.fixture(scope="module")
def points() -> SpawnPoints:
    return SpawnPoints.find(load_town(0))


@pytest.fixture
def walkers(points) -> Pedestrians:
    rng = np.random.default_rng(0)
    people = Pedestrians(12, load_town(0), rng)
    for i in range(12):
        while not people.paths.active[i]:
            people.spawn(i, int(rng.choice(np.flatnonzero(points.has_kerbs))), points, rng)
    return people


def step(people: Pedestrians, seed: int = 0, vehicles=NOBODY, shown=None) -> None:
    boxes, z = people.boxes()
    shown = np.zeros(len(people.paths.road_map.signals), np.int64) if shown is None else shown
    people.step(boxes, z, *vehicles, shown, 0.1, np.random.default_rng(seed))


def test_they_stay_off_the_road_unless_they_cross(walkers):
    road_map = walkers.paths.road_map
    for k in range(600):
        step(walkers, k)
        boxes, _ = walkers.boxes()
        assert not road_map.drivable(boxes[~walkers.crossing, :2]).any()


def test_they_cross_where_there_is_a_crosswalk_more_often(walkers):
    walkers.paths.near_junction[:] = False
    walkers.walkable[:] = True
    begun = []
    for crosswalk in (False, True):
        walkers.crosswalk[:] = crosswalk
        count = 0
        for k in range(400):
            walkers.goal[:] = walkers.paths.lateral
            step(walkers, k)
            count += int(walkers.crossing.sum())
        begun.append(count)
    assert begun[1] > 4 * begun[0] > 0


def test_they_do_not_begin_to_cross_before_a_vehicle(walkers):
    boxes, _ = walkers.boxes()
    c, s = np.cos(walkers.paths.yaw[:, 0]), np.sin(walkers.paths.yaw[:, 0])
    vehicles = np.column_stack(
        [boxes[:, 0] - 15 * c, boxes[:, 1] - 15 * s, walkers.paths.yaw[:, 0], np.full((12, 2), 2.0)]
    )
    walkers.crosswalk[:] = True
    walkers.walkable[:] = True
    for k in range(100):
        before = walkers.paths.s.copy()
        step(walkers, k, (vehicles, np.zeros(12), np.full(12, 10.0)))
        walkers.paths.s[:] = before
        assert not walkers.crossing.any()
    step_above = [
        (step(walkers, k, (vehicles, np.full(12, 8.0), np.full(12, 10.0))), walkers.crossing.any())[1]
        for k in range(60)
    ]
    assert any(step_above)  # those vehicles are on a bridge


@pytest.mark.parametrize(
    ("kind", "crosses"), [(SignalKind.GREEN, False), (SignalKind.YELLOW, False), (SignalKind.RED, True)]
)
def test_at_a_light_they_cross_while_it_is_red(walkers, kind, crosses):
    walkers.crosswalk[:] = True
    walkers.walkable[:] = True
    walkers.paths.stop_s[:, 0] = 3.0
    walkers.paths.stop_signals[:, 0] = 0
    shown = np.full(max(len(walkers.paths.road_map.signals), 1), int(kind))
    walkers.paths.s[:] = 2.0
    for k in range(30):
        walkers.paths.s[:] = 2.0
        step(walkers, k, shown=shown)
    assert walkers.crossing.any() == crosses


def test_who_is_kept_from_crossing_turns_back(walkers):
    goal = walkers.far[0]
    walkers.paths.lateral[0], walkers.goal[0] = walkers.near[0], goal
    boxes, _ = walkers.boxes()
    c, s = np.cos(boxes[0, 2]), np.sin(boxes[0, 2])
    wall = np.array([[boxes[0, 0] + 1.8 * c, boxes[0, 1] + 1.8 * s, boxes[0, 2] + np.pi / 2, 20.0, 2.0]])
    for k in range(35):
        step(walkers, k, (wall, np.zeros(1), np.zeros(1)))
    assert walkers.goal[0] == walkers.near[0]
