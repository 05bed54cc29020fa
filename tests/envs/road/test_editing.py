"""Edits in the reference world: at reset and in mid-drive, what is seen, hit and minded, states and copies."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from small_worlds import SMALL

import drivedit
from drivedit import edit
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ScriptedActors
from envs.world import EditableWorld, branch
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.scene import ObjectKind
from worldsim.gbuffer.classes import SemanticClass

COAST = np.zeros(4, np.float32)
EMPTY_ROAD = ScriptedActors(scripts=(), ego_speed=8.0, straight=80.0)
START = {"town": 0, "scripted_actors": EMPTY_ROAD}
TRUCK = edit.Put(thing="truck", place=edit.AlongRoute(ahead=20.0, left=-3.2))
BARRIER = edit.Put(thing="barrier", place=edit.AlongRoute(ahead=15.0))


@pytest.fixture
def world():
    return RoadWorld(replace(SMALL, num_context=8))


def test_what_is_put_is_there_from_the_start_and_seen_in_all_its_frames(world):
    world.reset(1, START)
    plain = world.start_clip()
    step = world.reset(1, {**START, "layout": [TRUCK]})
    clip = world.start_clip()
    assert np.array_equal(clip.vehicles, plain.vehicles)
    assert all((a != b).any() for a, b in zip(clip.frames, plain.frames, strict=True))
    assert ObjectKind.TRUCK in step.scene.object_kinds
    assert ObjectKind.TRUCK in clip.road_users[clip.road_users.parked].kinds
    assert (world.sensor_frames(["semantic"])["semantic"] == SemanticClass.TRUCK).any()
    assert isinstance(world, EditableWorld)


def test_the_same_edit_in_mid_drive_is_that_of_the_start(world):
    world.reset(1, {**START, "layout": [TRUCK]})
    first = world.start_clip()
    world.reset(1, START)
    world.edit([TRUCK])
    again = world.start_clip()
    assert np.array_equal(first.frames, again.frames)
    assert first.scenes[-1] == again.scenes[-1]


def test_a_barrier_is_ahead_and_is_hit_and_so_is_a_building(world):
    step = world.reset(1, {**START, "layout": [BARRIER]})
    assert step.scene.lead_valid
    assert step.scene.lead == pytest.approx([15 - 0.3 - SMALL.vehicle.length / 2, 0], abs=0.1)
    hit = [world.step(COAST) for _ in range(25)][-1]
    assert (hit.collision, hit.info["collided_with"]) == (1.0, ObjectKind.STATIC)

    world.reset(1, START)
    before = world.layout()
    # as a whole layout: a wall across the road, which is no place for one as an edit
    x, y, yaw = world.start_clip().vehicles[-1, :3]
    wall = np.array([x + 15 * np.cos(yaw), y + 15 * np.sin(yaw), 0.0, yaw, 0.5, 4.0, 2.0])
    layout = replace(
        before,
        boxes=np.concatenate([before.boxes, wall[None]]),
        box_kinds=np.append(before.box_kinds, int(LayoutKind.WALL)),
        **{
            name: np.concatenate([getattr(before, name), getattr(before, name)[:1]])
            for name in ("box_colors", "box_color_valid", "box_seeds", "box_signals", "box_signs")
        },
    )
    world.reset(1, {**START, "layout": layout})
    assert world.layout() == layout
    assert [world.step(COAST) for _ in range(25)][-1].collision == 1.0


def test_drivers_stop_behind_a_barrier_on_their_lane(world):
    crowd = RoadWorld(replace(SMALL, num_context=8, num_vehicles=1, num_pedestrians=0, parked_share=0.0))
    crowd.reset(3, {"town": 0})
    episode = crowd._running()
    paths = episode.traffic.vehicles.paths
    ahead = paths.xy[0, int(paths.s[0]) + 25]
    crowd.edit([edit.Put(thing="barrier", place=edit.OnMap(x=float(ahead[0]), y=float(ahead[1])))])
    barrier = episode.traffic.parked[-1]
    for _ in range(80):
        crowd.step(COAST)
    driver = crowd._running().traffic.objects.boxes[0]
    assert crowd._running().traffic.vehicles.speed[0] < 0.5
    assert 2.0 < np.hypot(*(driver[:2] - barrier[:2])) < 12.0


def test_a_tree_goes_and_a_house_is_painted(world):
    world.reset(1, START)
    layout = world.layout()
    tree = int(np.flatnonzero(layout.box_kinds == LayoutKind.TREE)[0])
    house = int(np.flatnonzero(layout.box_kinds == LayoutKind.BUILDING)[0])
    places = [edit.OnMap(x=float(layout.boxes[k, 0]), y=float(layout.boxes[k, 1])) for k in (tree, house)]
    world.edit([edit.Repaint(place=places[1], color=(250, 0, 250)), edit.Remove(place=places[0])])
    assert len(world.layout().boxes) == len(layout.boxes) - 1
    assert [250, 0, 250] in world.layout().box_colors.tolist()


def test_a_look_changes_light_and_weather_and_nothing_else(world):
    step = world.reset(1, START)
    before, sun = world.frame(), world.camera_scene().sun
    after = world.edit([edit.Look(name="fog")])
    assert not np.array_equal(world.frame(), before)
    assert after.scene == step.scene
    assert after.info["weather_seed"] == -1
    assert np.arctan2(*world.camera_scene().sun[:2]) == pytest.approx(np.arctan2(*sun[:2]))


def test_states_copies_and_two_worlds_keep_their_own(world):
    world.reset(1, {**START, "layout": [TRUCK]})
    here, plain = world.snapshot(), RoadWorld(world.config)
    plain.reset(1, START)
    twin, saved = branch(world), RoadWorld(world.config)
    saved.restore(saved.codec.unpack(world.codec.pack(here)))
    world.edit([edit.Remove(place=TRUCK.place), edit.Put(thing="tree", place=edit.AlongRoute(ahead=20, left=11))])
    assert len(world.layout().boxes) == len(plain.layout().boxes) + 1
    assert len(twin.layout().boxes) == len(plain.layout().boxes)
    assert np.array_equal(saved.frame(), twin.frame())
    for one in (twin, saved):
        assert ObjectKind.TRUCK in one.step(COAST).scene.object_kinds
    assert ObjectKind.TRUCK not in plain.step(COAST).scene.object_kinds

    state = world.codec.pack(world.snapshot())
    saved.restore(saved.codec.unpack(state))
    assert saved.layout() == world.layout()
    world.restore(here)
    assert world.layout() == plain.layout()
    world.reset(1, START)
    assert world.layout() == plain.layout()


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        (3, "layout must be a Layout, such as .* or edits: .*got int"),
        ("{}", "layout must be .*format"),
        ([edit.Put(thing="tree", place=edit.AlongRoute(ahead=10))], "tree at 10 m ahead.* stands on the road"),
        ([TRUCK, edit.Put(thing="car", place=edit.AlongRoute(ahead=9000))], "car at 9000 m ahead"),
    ],
)
def test_a_bad_layout_leaves_no_episode(layout, says):
    env = gymnasium.make("DriveDiT-Road-v0", obs="state", world_config=SMALL, frame_size=(32, 32)).unwrapped
    with pytest.raises(ValueError, match=says):
        env.reset(seed=1, options={**START, "layout": layout})
    assert not env.in_episode
    with pytest.raises(ValueError, match="call reset before edit"):
        env.edit([TRUCK])
    env.reset(seed=1, options=START)
    with pytest.raises(ValueError, match="stands on the road"):
        env.edit([BARRIER, edit.Put(thing="tree", place=edit.AlongRoute(ahead=10))])
    observation, info = env.edit([BARRIER])
    assert np.array_equal(observation, info["scene"])
    assert drivedit.SceneState.from_vector(info["scene"]).lead_valid
    env.close()


def test_a_layout_of_another_map_is_refused(world):
    world.reset(1, {"town": 1})
    other = world.layout()
    with pytest.raises(ValueError, match="layout: its area_points are not those of map"):
        world.reset(1, {**START, "layout": other})
