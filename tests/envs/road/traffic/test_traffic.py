"""Drivers, pedestrians and scripted actors on constructed scenes and in a procedural town."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.idm import idm
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.driver_model import (
    CORRIDOR_MARGIN,
    PATH_POINTS,
    PATH_STEP,
    QUEUE_GAP,
    DriverConfig,
    choose_acceleration,
    curve_speed,
    leaders,
    poses_along,
)
from envs.scripted_actors import USUAL_TRAFFIC, ActorState, ScriptedActors, TrafficLevel
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import ObjectKind

CONFIG = DriverConfig()


def one(*values: float) -> list[np.ndarray]:
    return [np.array([v], float) for v in values]


def straight(x: float, y: float, yaw: float, num_points: int = 80) -> np.ndarray:
    """One point a metre."""
    return np.array([x, y]) + np.arange(num_points)[:, None] * np.array([np.cos(yaw), np.sin(yaw)])


def look(paths, boxes, speeds, *, z=0.0, box_z=None, margins=None, waited=None):
    """`leaders` of drivers at the beginning of straight paths, whose boxes come first."""
    n = len(paths)
    xy = np.stack([straight(*path) for path in paths])
    yaw = np.repeat([[path[2]] for path in paths], xy.shape[1], axis=1)
    boxes = np.array(boxes, float)
    return leaders(
        xy,
        yaw,
        np.full(xy.shape[:2], z),
        np.zeros(n),
        np.full(n, 79.0),
        boxes[:n, 3:].copy(),
        np.zeros(n) if waited is None else np.array(waited, float),
        boxes,
        np.zeros(len(boxes)) if box_z is None else np.array(box_z, float),
        np.array(speeds, float),
        np.zeros(len(boxes)) if margins is None else np.array(margins, float),
    )


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


def test_compiled_idm_is_idm():
    rng = np.random.default_rng(0)
    speed, desired, headway, lead_speed = rng.uniform(0, 15, (4, 50))
    gap, stop = np.where(rng.random((2, 50)) < 0.2, np.inf, rng.uniform(0, 60, (2, 50)))
    stands = rng.random(50) < 0.1
    parameters = CONFIG.acceleration, CONFIG.comfortable_braking, CONFIG.hardest_braking, 2.5, CONFIG.exponent
    behind = idm(speed, desired, gap, lead_speed, headway, CONFIG)
    before = idm(speed, desired, stop, np.zeros(50), 0.5 * headway, CONFIG)
    right = np.where(stands, -CONFIG.hardest_braking, np.minimum(behind, before))
    asked = choose_acceleration(speed, desired, headway, gap, lead_speed, stop, stands, parameters)
    assert asked == pytest.approx(right, abs=1e-12)


def test_curve_speed_allows_the_comfortable_lateral_acceleration():
    curvature = 1 / 20
    yaws = curvature * np.arange(80)[None]
    assert curve_speed(yaws, np.zeros(1), 2.2, 1.5) ** 2 * curvature == pytest.approx(2.2)
    assert curve_speed(np.zeros((1, 80)), np.zeros(1), 2.2, 1.5) > 50


def test_poses_are_interpolated_on_the_path_and_to_its_left():
    xy, yaw = straight(5, 0, np.pi / 2)[None], np.full((1, 80), np.pi / 2)
    z = 0.1 * np.arange(80.0)[None]
    poses = poses_along(xy, yaw, z, np.array([10.5]), np.array([2.0]))
    assert poses == pytest.approx(np.array([[3, 10.5, np.pi / 2, 1.05]]))


def test_leaders_gap_between_bumpers():
    boxes = [[0, 0, 0, 4, 2], [20, 0.5, 0, 6, 2], [12, 3.5, 0, 4, 2], [-8, 0, 0, 4, 2]]
    gap, speed, lead, room = look([(0, 0, 0)], boxes, [10, 7, 3, 9])
    assert gap == pytest.approx([20 - 2 - 3])
    assert speed == pytest.approx([7])
    assert lead.tolist() == [1]
    assert np.isinf(room).all()
    gap, _, lead, _ = look([(0, 0, 0)], boxes[:1], [10])
    assert np.isinf(gap).all()
    assert lead.tolist() == [-1]


def test_leaders_agree_with_the_plain_formula():
    rng = np.random.default_rng(1)
    for _ in range(20):
        n, m = 3, 10
        start = rng.uniform(-20, 20, (n, 2))
        yaws = rng.uniform(-np.pi, np.pi, n)
        boxes = np.column_stack(
            [
                rng.uniform(-50, 50, (m, 2)),
                rng.uniform(-np.pi, np.pi, m),
                rng.uniform(3, 9, m),
                rng.uniform(1.5, 2.5, m),
            ]
        )
        boxes[:n, :3] = np.column_stack([start, yaws])
        speeds = rng.uniform(0, 15, m)
        gap, _, lead, _ = look([(*xy, yaw) for xy, yaw in zip(start, yaws, strict=True)], boxes, speeds)
        for i in range(n):
            points = straight(*start[i], yaws[i])[:: int(PATH_STEP)][:PATH_POINTS]
            gaps = []
            for j in range(m):
                d = boxes[j, :2] - points
                k = int(np.argmin((d**2).sum(1)))
                c, s = np.cos(yaws[i]), np.sin(yaws[i])
                along, across = c * d[k, 0] + s * d[k, 1], c * d[k, 1] - s * d[k, 0]
                turn = boxes[j, 2] - yaws[i]
                ct, st = abs(np.cos(turn)), abs(np.sin(turn))
                half_along, half_across = (
                    (ct * boxes[j, 3] + st * boxes[j, 4]) / 2,
                    (st * boxes[j, 3] + ct * boxes[j, 4]) / 2,
                )
                inside = abs(across) < half_across + boxes[i, 4] / 2 + CORRIDOR_MARGIN and abs(along) < PATH_STEP
                ahead = PATH_STEP * k + along
                here = max(ahead - half_along - boxes[i, 3] / 2, 0.0)
                gaps.append(here if inside and ahead > 0.3 and j != i else np.inf)
            assert gap[i] == pytest.approx(min(gaps))
            assert lead[i] == (int(np.argmin(gaps)) if np.isfinite(min(gaps)) else -1)


def test_room_ends_before_what_stands_less_what_will_queue_there():
    boxes = [[0, 0, 0, 4, 2], [15, 0, 0, 5, 2], [40, 0, 0, 4, 2]]
    _, _, _, room = look([(0, 0, 0)], boxes, [10, 8, 0])
    assert room == pytest.approx([40 - 2 - (5 + QUEUE_GAP)])


def test_nothing_on_a_bridge_leads_those_below_it():
    boxes = [[0, 0, 0, 4, 2], [20, 0, np.pi / 2, 5, 2]]
    assert np.isinf(look([(0, 0, 0)], boxes, [10, 8], box_z=[0, 6])[0]).all()
    assert np.isfinite(look([(0, 0, 0)], boxes, [10, 8], box_z=[0, 2])[0]).all()
    assert np.isfinite(look([(0, 0, 0)], boxes, [10, 8], z=6.0, box_z=[6, 6])[0]).all()


def test_of_two_that_stand_before_each_other_the_last_goes_on():
    paths, boxes = [(0, 0, 0), (6, 1, np.pi)], [[0, 0, 0, 4, 2], [6, 1, np.pi, 4, 2]]
    assert look(paths, boxes, [0, 0])[2].tolist() == [1, 0]
    assert look(paths, boxes, [0, 0], waited=[5, 3])[2].tolist() == [1, -1]


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
    from envs.road.config import RoadWorldConfig
    from envs.road.road_world import RoadWorld

    world = RoadWorld(RoadWorldConfig(frame_size=(16, 16), parked_share=0.3))
    touching, moved = 0, []
    for seed in range(3):
        world.reset(seed, {"town": 0})
        for _ in range(150):
            world.step(np.array([0, 0, 1, 0], np.float32))  # the ego stands
            traffic = world.snapshot().traffic
            boxes = traffic.vehicles.boxes()[0][traffic.vehicles.paths.active]
            hits = overlap(boxes[:, None], boxes[None])
            touching += (hits.sum() - len(boxes)) // 2
            moved.append(traffic.vehicles.speed[traffic.vehicles.paths.active].mean())
    assert np.mean(moved) > 2.0
    assert touching <= 20  # pairs of vehicles times steps, of some 9,000 vehicle steps


def test_a_level_of_traffic_is_a_share_of_the_usual_one():
    from envs.road.road_world import RoadWorld

    world = RoadWorld()

    def traffic(level):
        actors = ScriptedActors(scripts=(), ambient_traffic=True, traffic=level)
        world.reset(3, {"town": 0, "scripted_actors": actors})
        return world.snapshot().traffic

    usual, more = traffic(USUAL_TRAFFIC), traffic(TrafficLevel(vehicles=1.5, pedestrians=0.25, speed=2.0))
    assert (len(usual.vehicles), len(more.vehicles)) == (12, 18)
    walking = [int((each.kinds == ObjectKind.PEDESTRIAN).sum()) for each in (usual, more)]
    assert walking == [8, 2]
    assert 1.5 <= more.vehicles.eagerness.min() <= more.vehicles.eagerness.max() <= 2.2
    draws = [traffic(TrafficLevel(draw=draw)).vehicles.boxes()[0] for draw in (0, 1, 2, 1)]
    assert np.array_equal(draws[0], usual.vehicles.boxes()[0])
    assert np.array_equal(draws[1], draws[3])
    assert len({each.tobytes() for each in draws}) == 3
    with pytest.raises(ValueError, match=r"speed must be finite and above 0, got 0\.0"):
        TrafficLevel(speed=0.0)


def test_nobody_below_a_bridge_brakes_for_the_ego_on_it():
    """The ego stands on a lane: those behind it brake; if it is 6 m higher they do not know of it."""
    from envs.maps.road_map import load_town
    from envs.road.traffic.ego import Ego
    from envs.road.traffic.spawn_points import SpawnPoints
    from envs.road.traffic.traffic import Traffic

    road_map = load_town(0)
    points = SpawnPoints.find(road_map)
    closest = {}
    for z in (0.0, 6.0):
        rng = np.random.default_rng(5)
        lane = next(
            p for p in points.lanes if road_map.route_from(p, 60.0, np.random.default_rng(0)).command[:60].max() == 0
        )
        route = road_map.route_from(lane, 60.0, rng)
        box = np.array([*route.points[40], route.yaw[40], 4.6, 1.9])
        traffic = Traffic(
            TrafficConfig(num_vehicles=1, num_pedestrians=0, lead_share=0.0),
            road_map, points, route, box, 40.0, 0.0, None, rng,
        )  # fmt: skip
        traffic.vehicles.enter(0, route, 0.0, rng)
        ego = Ego(box=box, speed=0.0, path=np.tile(box[:2], (20, 1)), on_script_route=None, z=z)
        touched = False
        for _ in range(100):
            traffic.step(ego, 0.1, rng)
            touched |= bool(overlap(box, traffic.objects.boxes[0]))
        closest[z] = touched
    assert closest == {0.0: False, 6.0: True}


DIGEST = """
import hashlib
import numpy as np
from envs.road.road_world import RoadWorld
from envs.road.config import RoadWorldConfig
world = RoadWorld(RoadWorldConfig(frame_size=(16, 16)))
world.reset(3, {"town": 1})
digest = hashlib.sha256()
for k in range(150):
    world.step(np.array([0.0, 0.4 * (k % 3 == 0), 0.0, 0.0], np.float32))
    objects = world.snapshot().traffic.objects
    digest.update(objects.boxes.tobytes() + objects.speeds.tobytes() + objects.z.tobytes())
print(digest.hexdigest())
"""


def test_traffic_is_the_same_to_the_bit_in_every_process_and_after_a_restore():
    here: dict[str, Any] = {}
    exec(DIGEST, here)
    there = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True).stdout
    assert there.strip() == here["digest"].hexdigest()

    from envs.road.config import RoadWorldConfig
    from envs.road.road_world import RoadWorld

    world = RoadWorld(RoadWorldConfig(frame_size=(16, 16)))
    world.reset(3, {"town": 1})
    control = np.array([0, 0.3, 0, 0], np.float32)
    for _ in range(40):
        world.step(control)
    saved = world.codec.pack(world.snapshot())
    after = []
    for _ in range(2):
        world.restore(world.codec.unpack(saved))
        for _ in range(60):
            world.step(control)
        boxes = world.snapshot().traffic.objects.boxes
        after.append(hashlib.sha256(boxes.tobytes()).hexdigest())
    assert after[0] == after[1]
