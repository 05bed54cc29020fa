"""The learned world as a World and an env: random small weights for the contract, the shipped world for the rest."""

import subprocess
import sys
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from answers import shown
from gymnasium.utils.env_checker import check_env
from layouts import layout_of, with_road
from places import environment
from shipped_world import shipped
from tiny_model import random_clip, random_model

import drivedit  # noqa: F401 (registers the ids)
from envs.driving_env import DrivingEnv
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.learned.stepping import step_together
from envs.scripted_actors import ScriptedActors
from envs.world import SensorWorld, branch
from scenarios.actors import BrakingLead, CrossingPedestrian
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.dynamics.trust import DISAGREEMENTS
from worldsim.gbuffer.classes import SENSOR_NAMES, SemanticClass

CONTROL = np.array([0.1, 0.6, 0.0, 0.0], np.float32)


@pytest.fixture(scope="module")
def world() -> LearnedWorld:
    return LearnedWorld(model=random_model(), starts=[random_clip(8, seed=s) for s in range(3)])


def test_the_env_passes_gymnasiums_checker_without_warnings(world: LearnedWorld) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(DrivingEnv(world), skip_render_check=True)


def test_equal_seeds_give_equal_drives_and_other_seeds_others(world: LearnedWorld) -> None:
    drives = []
    for seed in (4, 4, 5):
        frame = shown(world, world.reset(seed, {"start_index": 1})).frame
        drives.append([frame] + [shown(world, world.step(CONTROL)).frame for _ in range(3)])
    assert np.array_equal(drives[0], drives[1])
    assert np.array_equal(drives[0][0], drives[2][0])
    assert not np.array_equal(drives[0][1], drives[2][1])


def test_a_drive_goes_on_from_a_clip(world: LearnedWorld) -> None:
    clip = random_clip(12, seed=9)
    first = shown(world, world.reset(0, {"start_clip": clip}))
    assert np.array_equal(first.frame, clip.frames[-1])
    assert np.array_equal(first.vehicle, clip.vehicles[-1])
    assert first.progress == 0
    step = world.step(CONTROL)
    assert step.vehicle[0] > clip.vehicles[-1, 0]


def test_the_start_clip_holds_what_was_driven_and_can_be_continued(world: LearnedWorld) -> None:
    world.reset(1, {"start_index": 0})
    steps = [shown(world, world.step(CONTROL * [k / 10, 1, 1, 1])) for k in range(10)]
    clip = world.start_clip()
    assert len(clip.frames) == world.model.config.num_context
    assert np.array_equal(clip.frames[-1], steps[-1].frame)
    assert clip.controls[-1, 0] == pytest.approx(0.09)
    assert clip.scenes[-1] == steps[-1].scene
    assert np.array_equal(shown(world, world.reset(2, {"start_clip": clip})).frame, steps[-1].frame)


def test_snapshot_continues_exactly(world: LearnedWorld) -> None:
    world.reset(3, {})
    world.step(CONTROL)
    snapshot = world.snapshot()
    first = [shown(world, world.step(CONTROL)) for _ in range(3)]
    world.restore(snapshot)
    second = [shown(world, world.step(CONTROL)) for _ in range(3)]
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.frame, b.frame)
        assert a.scene == b.scene
        assert a.collision == b.collision


def test_bad_options_are_named(world: LearnedWorld) -> None:
    with pytest.raises(ValueError, match="town"):
        world.reset(0, {"town": 3})
    with pytest.raises(ValueError, match=r"\[0, 3\), got 7"):
        world.reset(0, {"start_index": 7})
    small = random_clip(8)
    small = replace(small, frames=small.frames[:, ::2, ::2])
    with pytest.raises(ValueError, match="64x64"):
        world.reset(0, {"start_clip": small})
    with pytest.raises(ValueError, match=r"0.05 s.*0.1 s"):
        world.reset(0, {"start_clip": replace(random_clip(8), dt=0.05)})
    with pytest.raises(ValueError, match="call reset"):
        LearnedWorld(model=world.model, starts=[]).step(CONTROL)
    with pytest.raises(ValueError, match="num_steps"):
        LearnedWorldConfig(num_steps=0)


def test_a_drive_shows_the_same_frames_whoever_looks_and_when(world: LearnedWorld) -> None:
    """Every step makes its frame, since the next one is made from it."""
    world.reset(4, {"start_index": 1})
    looked = []
    for _ in range(4):
        world.step(CONTROL)
        looked.append(world.frame())
    twin = branch(world)
    world.reset(4, {"start_index": 1})
    for _ in range(4):
        world.step(CONTROL)
    assert np.array_equal(world.frame(), looked[-1])
    np.testing.assert_array_equal(world.start_clip().frames, looked)
    assert np.array_equal(twin.frame(), looked[-1])

    # in a batch too, beside a drive at another moment
    other = branch(world)
    other.reset(9, {"start_index": 0})
    world.reset(4, {"start_index": 1})
    for frame in looked:
        step_together([other, world], np.stack([CONTROL * 0.5, CONTROL]))
        assert np.abs(world.frame().astype(int) - frame).max() <= 2


def test_depth_and_classes_are_drawn_of_what_is_tracked(world: LearnedWorld) -> None:
    layout = with_road(layout_of(LayoutKind.BUILDING, (18.0, 9.0, 0.0, 0.0, 12.0, 8.0, 7.0)))
    clip = replace(random_clip(8), layout=layout)
    blind = LearnedWorld(LearnedWorldConfig(pictures=False), model=world.model, starts=world.starts)
    seen = []
    for one in (world, blind):
        one.reset(0, {"start_clip": clip})
        one.step(CONTROL)
        assert isinstance(one, SensorWorld)
        seen.append(one.sensor_frames(SENSOR_NAMES))
    for name in SENSOR_NAMES:
        np.testing.assert_array_equal(seen[0][name], seen[1][name])
    depth, classes = seen[0]["depth"], seen[0]["semantic"]
    assert (depth.dtype, classes.dtype) == (np.float16, np.uint8)
    assert {SemanticClass.ROAD, SemanticClass.BUILDING, SemanticClass.CAR} < set(np.unique(classes).tolist())
    assert np.isinf(depth[classes == SemanticClass.SKY]).mean() > 0.9
    lead = depth[classes == SemanticClass.CAR].astype(float)
    assert np.median(lead) == pytest.approx(14.0 - 4.4 / 2 - 1.2, abs=1.0)


def test_the_scene_is_read_off_frames_where_that_is_asked_for(world: LearnedWorld) -> None:
    reading = LearnedWorld(LearnedWorldConfig(decode_scene=True), model=world.model, starts=world.starts)
    answers = []
    for one in (world, reading):
        one.reset(0, {"start_index": 0})
        answers.append(one.step(CONTROL))
    plain, read = answers
    assert np.array_equal(world.frame(), reading.frame())
    assert list(plain.info) == list(read.info)
    assert all(plain.info[name] == 0 < read.info[name] for name in DISAGREEMENTS)
    # what is tracked stays; what nobody tracks, as the lane's width of this clip, is decoded
    assert plain.scene.lateral_offset == read.scene.lateral_offset
    assert (plain.scene.lane_valid[2], read.scene.lane_valid[2]) == (False, True)


@shipped
def test_the_shipped_world_turns_when_steered_and_stays_a_picture() -> None:
    env = gymnasium.make("DriveDiT-v0")
    base = env.unwrapped
    assert isinstance(base, DrivingEnv)
    base.reset(seed=2)  # on the move
    start = base.snapshot()
    yaws, last = [], []
    for steer in (0.1, -0.1):
        base.restore(start)
        for _ in range(10):
            frame, _, _, _, info = base.step(np.array([steer, 0.3], np.float32))
        yaws.append(info["vehicle"][2])
        last.append(frame.astype(int))
        assert SceneState.from_vector(info["scene"]).speed == np.float32(info["vehicle"][3])
        assert frame.std() > 15
    assert yaws[0] > yaws[1]
    assert np.abs(last[0] - last[1]).mean() > 3


@pytest.mark.slow
@shipped
def test_the_shipped_worlds_frames_are_the_same_in_another_process() -> None:
    code = (
        "import drivedit, gymnasium, hashlib, torch; torch.set_num_threads(1); e = gymnasium.make('DriveDiT-v0');"
        "f, _ = e.reset(seed=3); d = hashlib.sha256(f.tobytes());"
        "[d.update(e.step(e.unwrapped.action_space.high * 0.2)[0].tobytes()) for _ in range(3)]; print(d.hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64


def test_a_scenarios_actor_goes_on_from_where_the_clip_shows_it(world: LearnedWorld) -> None:
    """The lead of the clip, 14 m ahead at 5 m/s, brakes; it is told, and found in its place, not a second one."""
    clip = random_clip(8)
    lead = BrakingLead(gap=14.0 - 4.6 / 2 - 2.3, speed=5.0, brake_at=-0.2, deceleration=4.0)
    vehicles = clip.vehicles.copy()
    vehicles[:, 0] -= vehicles[-1, 0]
    clip = replace(clip, vehicles=vehicles)
    world.reset(0, {"start_clip": clip, "scripted_actors": ScriptedActors(scripts=(lead,))})
    steps = [world.step(CONTROL) for _ in range(12)]
    speeds = [step.scene.objects[step.scene.object_kinds == ObjectKind.CAR, 3] for step in steps]
    assert [len(s) for s in speeds] == [1] * 12
    assert speeds[0][0] == pytest.approx(5.0 - 4.0 * 0.3, abs=1e-4)
    assert speeds[-1][0] == pytest.approx(5.0 - 4.0 * 1.2, abs=0.25)
    assert steps[-1].scene.lead_valid
    assert steps[-1].scene.lead[0] < steps[0].scene.lead[0]


def test_a_scenario_begins_again_exactly_from_a_snapshot(world: LearnedWorld) -> None:
    walker = CrossingPedestrian(distance=20.0, offset=-4.0, start_at=-0.3, speed=1.4)
    world.reset(0, {"start_index": 1, "scripted_actors": ScriptedActors(scripts=(walker,))})
    world.step(CONTROL)
    snapshot = world.snapshot()
    first = [shown(world, world.step(CONTROL)) for _ in range(3)]
    world.restore(snapshot)
    again = [shown(world, world.step(CONTROL)) for _ in range(3)]
    for a, b in zip(first, again, strict=True):
        assert a.scene == b.scene
        assert np.array_equal(a.frame, b.frame)
    walkers = [step.scene.objects[step.scene.object_kinds == ObjectKind.PEDESTRIAN] for step in first]
    assert walkers[0].shape[0] == 2  # the clip's own and the scenario's
    world.reset(0, {"start_index": 1})
    assert (world.step(CONTROL).scene.object_kinds == ObjectKind.PEDESTRIAN).sum() == 1


def test_driving_into_an_actor_is_a_collision(world: LearnedWorld) -> None:
    wall = BrakingLead(gap=9.0, speed=0.0, brake_at=-1.0, deceleration=5.0)
    world.reset(0, {"start_index": 0, "scripted_actors": ScriptedActors(scripts=(wall,))})
    risks = [world.step(np.array([0.0, 1.0, 0.0, 0.0], np.float32)).collision for _ in range(20)]
    assert risks[0] < 0.1
    assert max(risks) > 0.9


def test_the_lane_is_the_routes_and_what_is_decoded_stays_beside_it(world: LearnedWorld) -> None:
    """The clip's route lies 0.1 m to the left of the ego, straight on."""
    state = world.model.begin([random_clip(8)], [0])
    _, prediction = world.model.step(state, np.array([[0.0, 0.4, 0.0, 0.0]], np.float32), decode_scene=True)
    assert prediction.scene.lateral_offset[0] == pytest.approx(-0.1, abs=1e-3)
    assert prediction.scene.heading_error[0] == pytest.approx(0.0, abs=1e-3)
    assert prediction.scene.route[0, :, 1] == pytest.approx(np.full(10, 0.1), abs=1e-3)
    assert prediction.decoded.scene.lateral_offset[0] != prediction.scene.lateral_offset[0]
    assert prediction.trust.signals["lateral_disagreement"][0] == pytest.approx(
        abs(prediction.decoded.scene.lateral_offset[0] - prediction.scene.lateral_offset[0]), abs=1e-6
    )


def test_a_world_hands_on_what_is_left_of_its_route(world: LearnedWorld) -> None:
    world.reset(0, {"start_clip": random_clip(8)})
    before = world.start_clip().route
    for _ in range(10):
        last = world.step(CONTROL)
    after = world.start_clip().route
    assert len(before) - len(after) in (4, 5, 6, 7)
    ground = to_ground_frame(last.vehicle, after)
    assert ground[:, 1] == pytest.approx(np.full(len(after), 0.1), abs=1e-3)


@pytest.mark.parametrize("name", ["routes", "actors", "style"])
def test_every_condition_changes_the_picture(world: LearnedWorld, name: str) -> None:
    model, clip = world.model, random_clip(8)
    other = {
        "routes": replace(clip, route=clip.route + np.array([0.0, 2.0], np.float32)),
        "actors": replace(clip, scenes=replace(clip.scenes, object_kinds=0 * clip.scenes.object_kinds)),
        "style": clip,
    }[name]
    control = np.array([[0.0, 0.4, 0.0, 0.0]], np.float32)
    states = [model.begin([clip], [0]), model.begin([other], [0])]
    if name == "style":
        picture = states[1].generated.picture
        changed = states[1].generated._replace(picture=picture._replace(style=picture.style + 1))
        states[1] = replace(states[1], generated=changed)
    frames = [model.step(state, control)[1].frames for state in states]
    assert not np.array_equal(frames[0], frames[1])


def test_an_ego_inside_its_lane_is_on_the_road_whatever_is_decoded(world: LearnedWorld) -> None:
    control = np.array([[0.0, 0.4, 0.0, 0.0]], np.float32)
    for shift, inside in ((0.0, True), (1.5, False)):
        clip = random_clip(8)
        clip = replace(clip, route=clip.route + np.array([0.0, shift], np.float32))
        _, prediction = world.model.step(world.model.begin([clip], [0]), control, decode_scene=True)
        assert prediction.decoded.off_road[0] > 0
        assert (prediction.off_road[0] == 0) == inside
        assert inside or prediction.off_road[0] == prediction.decoded.off_road[0]


def test_a_scenario_finds_room_in_full_traffic_at_the_cost_of_the_farthest(world: LearnedWorld) -> None:
    clip = random_clip(8)
    scenes = clip.scenes.copy()
    scenes.object_kinds[:] = ObjectKind.CAR
    scenes.objects[:, :, 0] = np.arange(10.0, 58.0, 4.0)
    scenes.objects[:, :, 1], scenes.objects[:, :, 4:] = 6.0, (4.0, 1.8)
    walker = CrossingPedestrian(distance=20.0, offset=-4.0, start_at=0.0, speed=1.4)
    scenario = ScriptedActors(scripts=(walker,))
    world.reset(0, {"start_clip": replace(clip, scenes=scenes), "scripted_actors": scenario})
    after = world.step(CONTROL).scene
    assert (after.object_kinds == ObjectKind.PEDESTRIAN).sum() == 1
    assert (after.object_kinds == ObjectKind.CAR).sum() == 11
    assert after.objects[after.object_kinds == ObjectKind.CAR, 0].max() < 51.0
    with pytest.raises(ValueError, match="room for 16 scripted actors, got 17"):
        world.reset(0, {"start_clip": clip, "scripted_actors": ScriptedActors(scripts=(walker,) * 17)})
