"""The reference world: determinism, snapshots, alignment of controls and frames, options, scripted actors."""

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from answers import shown

from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ActorState, ScriptedActors
from worldsim.datatypes.scene import ObjectKind

SMALL = RoadWorldConfig(frame_size=(48, 48), num_vehicles=6, num_pedestrians=4, parked_share=0.3)
COAST = np.zeros(4, np.float32)
EMPTY_ROAD = ScriptedActors(scripts=(), ego_speed=8.0, straight=60.0)

FINGERPRINT = """
import hashlib, numpy as np
from envs.road.road_world import RoadWorld
from envs.road.config import RoadWorldConfig
world = RoadWorld(RoadWorldConfig(frame_size=(48, 48), num_vehicles=6, num_pedestrians=4, parked_share=0.3))
digest = hashlib.sha256()
step = world.reset(5, {"town": 1})
for k in range(40):
    for array in (world.frame(), step.vehicle, *step.scene.arrays().values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    step = world.step(np.array([0.1 * np.sin(k), 0.5, 0, 0], np.float32))
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def world():
    return RoadWorld(SMALL)


def same(a, b) -> bool:
    return (
        np.array_equal(a.frame, b.frame)
        and np.array_equal(a.vehicle, b.vehicle)
        and a.scene == b.scene
        and (a.collision, a.off_road, a.progress) == (b.collision, b.off_road, b.progress)
    )


def test_same_bits_in_two_processes():
    here: dict[str, Any] = {}
    exec(FINGERPRINT, here)
    there = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True).stdout
    assert there.strip() == here["digest"].hexdigest()


def test_reset_forgets_what_was_before(world):
    first = shown(world, world.reset(3, {"town": 0}))
    for _ in range(5):
        world.step(np.array([0.2, 1, 0, 0], np.float32))
    world.reset(4, {"town": 1})
    assert same(shown(world, world.reset(3, {"town": 0})), first)
    assert not np.array_equal(shown(world, world.reset(4, {"town": 0})).frame, first.frame)


def test_snapshot_and_restore_are_exact(world):
    world.reset(2, {"town": 0})
    controls = np.random.default_rng(0).uniform([-0.2, 0, 0, 0], [0.2, 1, 0.3, 0], (30, 4)).astype(np.float32)
    for control in controls[:5]:
        world.step(control)
    snapshot = world.snapshot()
    first = [shown(world, world.step(c)) for c in controls]
    world.restore(snapshot)
    second = [shown(world, world.step(c)) for c in controls]
    world.restore(snapshot)
    third = [shown(world, world.step(c)) for c in controls]
    assert all(same(a, b) and same(a, c) for a, b, c in zip(first, second, third, strict=True))


def test_a_control_changes_the_next_frame_and_not_the_present_one(world):
    world.reset(0, {"town": 0, "scripted_actors": EMPTY_ROAD})
    snapshot, before = world.snapshot(), world.start_clip()
    steps = []
    for control in (COAST, np.array([1, 0, 1, 0], np.float32)):
        world.restore(snapshot)
        assert np.array_equal(world.start_clip().frames[-1], before.frames[-1])
        steps.append(shown(world, world.step(control)))
        clip = world.start_clip()
        assert np.array_equal(clip.frames[-2], before.frames[-1])
        assert np.array_equal(clip.controls[-1], control)
        assert np.array_equal(clip.frames[-1], steps[-1].frame)
        assert np.array_equal(clip.vehicles[-1], steps[-1].vehicle)
        expected = SMALL.vehicle.step(before.vehicles[-1], control, 0.1)
        assert np.array_equal(steps[-1].vehicle, expected)
    assert not np.array_equal(steps[0].frame, steps[1].frame)


def test_start_clip_is_full_after_reset_and_its_route_starts_beside_the_ego(world):
    step = shown(world, world.reset(1, {"town": 0}))
    clip = world.start_clip()
    assert clip.frames.shape == (SMALL.num_context, 48, 48, 3)
    assert np.array_equal(clip.frames[-1], step.frame)
    for k in range(SMALL.num_context - 1):
        expected = SMALL.vehicle.step(clip.vehicles[k], clip.controls[k], clip.dt)
        assert expected == pytest.approx(clip.vehicles[k + 1], abs=1e-9)
    assert clip.route[0] == pytest.approx([0, -step.scene.lateral_offset], abs=0.1)
    assert clip.route[3] == pytest.approx(step.scene.route[0], abs=0.1)


def test_progress_is_the_distance_along_the_route(world):
    step = world.reset(0, {"town": 0, "scripted_actors": EMPTY_ROAD})
    assert step.progress == 0.0
    start, total = step.vehicle, 0.0
    for _ in range(20):
        step = world.step(np.array([0, 0.4, 0, 0], np.float32))
        total += step.progress
    assert total == pytest.approx(np.hypot(*(step.vehicle - start)[:2]), rel=0.05)
    assert total > 10


def test_full_steer_leaves_the_road_and_a_corner_outside_counts(world):
    world.reset(0, {"town": 0, "scripted_actors": EMPTY_ROAD})
    flags = [world.step(np.array([-0.5, 0.5, 0, 0], np.float32)).off_road for _ in range(40)]
    assert flags[0] == 0.0
    assert max(flags) == 1.0


@dataclass(frozen=True)
class Standing:
    """A car `ahead` metres before the ego, in its lane."""

    ahead: float

    def initial(self, route, ego_s):
        return ActorState(s=ego_s + self.ahead, lateral=0.0, speed=0.0, kind=ObjectKind.TRUCK)

    def step(self, t, ego, own, dt):
        return own


def test_scripted_actor_is_the_lead_and_can_be_hit(world):
    scenario = replace(EMPTY_ROAD, scripts=(Standing(30.0),))
    step = world.reset(0, {"town": 0, "scripted_actors": scenario})
    model = SMALL.vehicle
    moved = np.hypot(*(world.start_clip().vehicles[-1] - world.start_clip().vehicles[0])[:2])
    assert step.scene.speed == pytest.approx(8.0, abs=0.3)
    assert step.scene.lead_valid
    assert step.scene.lead == pytest.approx([30 - moved - model.length / 2 - 4.6 / 2, 0.0], abs=0.2)
    assert step.scene.object_kinds[0] == ObjectKind.TRUCK
    for _ in range(60):
        step = world.step(np.array([0, 0.5, 0, 0], np.float32))
        if step.collision:
            break
    assert step.collision == 1.0
    assert step.info["collided_with"] == ObjectKind.TRUCK
    assert step.scene.speed == 0.0


@dataclass(frozen=True)
class Clock:
    """Writes the script's time into its speed."""

    def initial(self, route, ego_s):
        return ActorState(s=ego_s + 20, lateral=3.5, speed=0.0)

    def step(self, t, ego, own, dt):
        return replace(own, speed=t + dt)


def test_script_clock_is_zero_when_the_episode_begins(world):
    step = world.reset(0, {"town": 0, "scripted_actors": replace(EMPTY_ROAD, scripts=(Clock(),))})
    assert step.scene.objects[0, 3] == pytest.approx(0.0, abs=1e-6)
    assert world.step(COAST).scene.objects[0, 3] == pytest.approx(0.1, abs=1e-6)


def test_start_pose_is_used_and_checked(world):
    world.reset(0, {"town": 0, "scripted_actors": EMPTY_ROAD})
    x, y, yaw = world.start_clip().vehicles[0][:3]
    world.reset(9, {"town": 0, "start_pose": (x, y, yaw)})
    assert world.start_clip().vehicles[0][:3] == pytest.approx([x, y, yaw])
    with pytest.raises(ValueError, match="not on a driving lane"):
        world.reset(9, {"town": 0, "start_pose": (x + 1e4, y, yaw)})


@pytest.mark.parametrize("options", [{"wether": 1}, {"town": 0, "map": "x.xodr"}, {"start_pose": (0, 0)}])
def test_bad_options_are_refused(world, options):
    with pytest.raises(ValueError, match=r"wether|not both|start_pose must be"):
        world.reset(0, options)


def test_bad_controls_are_refused(world):
    world.reset(0, {"town": 0})
    for control in (np.zeros(2), np.array([np.nan, 0, 0, 0])):
        with pytest.raises(ValueError, match="4 finite numbers"):
            world.step(control)


def test_step_before_reset_is_refused():
    with pytest.raises(ValueError, match="reset first"):
        RoadWorld(SMALL).step(COAST)


@pytest.mark.parametrize("town", ["a", -3, 1.5, True])
def test_a_town_that_is_no_seed_is_refused_by_name(town) -> None:
    with pytest.raises(ValueError, match="town must be the seed of a procedural town"):
        RoadWorld().reset(0, {"town": town})
