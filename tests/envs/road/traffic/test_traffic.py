"""Drivers, pedestrians and scripted actors on constructed scenes and in a procedural town."""

from dataclasses import replace

import numpy as np
import pytest

from envs.idm import idm
from envs.road.traffic.driver_model import PATH_STEP, DriverConfig, curve_speed, give_way, leaders
from envs.road.traffic.traffic import TrafficConfig
from envs.scripted_actors import ActorState, ScriptedActors
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import ObjectKind

CONFIG = DriverConfig()


def one(*values: float) -> list[np.ndarray]:
    return [np.array([v], float) for v in values]


def straight(x: float, y: float, yaw: float, num_points: int = 20) -> np.ndarray:
    return np.array([x, y]) + PATH_STEP * np.arange(num_points)[:, None] * np.array([np.cos(yaw), np.sin(yaw)])


def test_idm_closed_forms():
    assert idm(*one(0, 10, np.inf, 0, 1.5), CONFIG) == pytest.approx(CONFIG.acceleration)
    assert idm(*one(10, 10, np.inf, 0, 1.5), CONFIG) == pytest.approx(0)
    equilibrium = (CONFIG.standstill_gap + 8 * 1.5) / np.sqrt(1 - 0.8**CONFIG.exponent)
    assert idm(*one(8, 10, equilibrium, 8, 1.5), CONFIG) == pytest.approx(0, abs=1e-9)
    assert idm(*one(15, 10, 2, 0, 1.5), CONFIG) == pytest.approx(-CONFIG.hardest_braking)


def test_idm_follower_never_hits_a_lead_that_brakes_to_a_stop():
    speed, gap, lead = one(14, 30, 14)
    for _ in range(400):
        acceleration = idm(speed, np.array([15.0]), gap, lead, np.array([1.2]), CONFIG)
        lead = np.maximum(lead - 6.0 * 0.1, 0)
        gap = gap + (lead - speed) * 0.1
        speed = np.maximum(speed + acceleration * 0.1, 0)
        assert gap[0] > 0.5
    assert speed[0] < 0.05
    assert gap[0] < CONFIG.standstill_gap + 1.0


def test_curve_speed_allows_the_comfortable_lateral_acceleration():
    curvature = 1 / 20
    yaws = curvature * PATH_STEP * np.arange(30)[None]
    assert curve_speed(yaws, CONFIG) ** 2 * curvature == pytest.approx(CONFIG.lateral_acceleration)
    assert curve_speed(np.zeros((1, 30)), CONFIG) > 50


def test_leaders_gap_between_bumpers():
    path = straight(0, 0, 0)[None]
    boxes = np.array([[0, 0, 0, 4, 2], [20, 0.5, 0, 6, 2], [12, 3.5, 0, 4, 2], [-8, 0, 0, 4, 2.0]])
    speeds, margins = np.array([10, 7, 3, 9.0]), np.zeros(4)
    gap, speed = leaders(path, np.zeros((1, 20)), np.array([[4.0, 2.0]]), boxes, speeds, margins)
    assert gap == pytest.approx([20 - 2 - 3])
    assert speed == pytest.approx([7])
    gap, speed = leaders(path, np.zeros((1, 20)), np.array([[4.0, 2.0]]), boxes[:1], speeds[:1], margins[:1])
    assert np.isinf(gap[0])


def test_give_way_at_a_crossing_to_who_comes_first():
    paths = np.stack([straight(-20, 0, 0), straight(0, -12, np.pi / 2)])
    speeds, waited = np.array([10.0, 10.0]), np.zeros(2)
    distance = give_way(paths, speeds, waited, paths, speeds)
    assert 14 <= distance[0] <= 20
    assert np.isinf(distance[1])


def test_give_way_ends_for_who_has_waited_long():
    paths = np.stack([straight(-8, 0, 0), straight(0, -24, np.pi / 2)])
    speeds = np.array([0.0, 10.0])
    assert np.isfinite(give_way(paths, speeds, np.zeros(2), paths, speeds)[0])
    distance = give_way(paths, speeds, np.array([10.0, 0.0]), paths, speeds)
    assert np.isinf(distance[0])
    assert np.isfinite(distance[1])


def test_no_one_gives_way_on_parallel_lanes_or_in_a_queue():
    paths = np.stack([straight(0, 0, 0), straight(0, 3.5, 0), straight(-10, 0, 0), straight(30, 3.5, np.pi)])
    speeds = np.full(4, 8.0)
    assert np.isinf(give_way(paths, speeds, np.zeros(4), paths, speeds)).all()


def test_drivers_give_way_to_the_ego_although_they_would_be_first():
    own, ego = straight(-10, 0, 0)[None], straight(0, -16, np.pi / 2)[None]
    speeds = np.array([8.0])
    assert np.isfinite(give_way(own, speeds, np.zeros(1), np.concatenate([own, ego]), np.array([8.0, 10.0])))


@pytest.mark.parametrize("change", [{"num_vehicles": -1}, {"truck_share": 1.5}, {"spawn_range": (50.0, 20.0)}])
def test_config_names_the_offending_value(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(TrafficConfig(), **change)


def test_actor_states_are_checked():
    with pytest.raises(ValueError, match="-1"):
        ActorState(s=0, lateral=0, speed=0, length=-1)
    with pytest.raises(ValueError, match="EMPTY"):
        ActorState(s=0, lateral=0, speed=0, kind=ObjectKind.EMPTY)
    with pytest.raises(ValueError, match="-2"):
        ScriptedActors(scripts=(), ego_speed=-2)


def test_traffic_moves_and_does_not_drive_through_itself():
    from envs.road.road_world import RoadWorld, RoadWorldConfig

    world = RoadWorld(RoadWorldConfig(frame_size=(16, 16), parked_share=0.3))
    touching, moved = 0, []
    for seed in range(3):
        world.reset(seed, {"town": 0})
        for _ in range(150):
            world.step(np.array([0, 0, 1, 0], np.float32))  # the ego stands
            traffic = world.snapshot().traffic
            boxes = traffic.vehicles.boxes()[traffic.vehicles.paths.active]
            hits = overlap(boxes[:, None], boxes[None])
            touching += (hits.sum() - len(boxes)) // 2
            moved.append(traffic.vehicles.speed[traffic.vehicles.paths.active].mean())
    assert np.mean(moved) > 2.0
    assert touching <= 20  # pairs of vehicles times steps, of some 9,000 vehicle steps
