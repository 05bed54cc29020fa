"""Edits in the learned world: what is tracked, drawn, painted, hit and kept; a small world of random weights."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from layouts import layout_of, with_road
from tiny_model import random_clip, random_model

import drivedit  # noqa: F401  registers the ids
from drivedit import edit
from envs.learned.config import LearnedWorldConfig
from envs.learned.editing import FIRST_ID
from envs.learned.learned_world import LearnedWorld
from envs.world import EditableWorld, branch
from worldsim.actors.actors import TraitColumn
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.gbuffer.classes import SemanticClass

CONTROL = np.array([0.0, 0.3, 0.0, 0.0], np.float32)
TRUCK = edit.Put(thing="truck", place=edit.AlongRoute(ahead=14.0, left=-3.0))
BARRIER = edit.Put(thing="barrier", place=edit.AlongRoute(ahead=9.0))
HOUSE = (14.0, 12.0, 0.0, 0.0, 8.0, 8.0, 7.0)


@pytest.fixture(scope="module")
def clip():
    """A straight street with a house, and nobody on it."""
    clip = random_clip(8)
    scenes = clip.scenes.copy()
    scenes.object_kinds[:] = 0
    layout = with_road(layout_of(LayoutKind.BUILDING, HOUSE))
    return replace(clip, layout=layout, road_users=KnownRoadUsers.none(), ego_z=0.0, scenes=scenes)


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture
def world(model, clip):
    return LearnedWorld(model=model, starts=[clip])


def test_what_is_put_is_tracked_seen_and_painted(world, clip):
    plain = world.reset(0, {})
    assert ObjectKind.TRUCK not in plain.scene.object_kinds
    step = world.reset(0, {"layout": [TRUCK]})
    assert ObjectKind.TRUCK in step.scene.object_kinds
    truck = world.sensor_frames(["semantic"])["semantic"] == SemanticClass.TRUCK
    assert truck.sum() > 100
    differs = (world.frame() != clip.frames[-1]).any(axis=-1)
    assert differs[truck].mean() > 0.9
    assert not differs[:, :30].any()
    after = world.step(CONTROL)
    assert ObjectKind.TRUCK in after.scene.object_kinds
    assert isinstance(world, EditableWorld)


def test_the_frames_of_the_start_clip_show_it_too_and_go_on_in_another_world(world, clip):
    world.reset(0, {})
    world.step(CONTROL)
    before = world.start_clip()
    world.edit([TRUCK])
    after = world.start_clip()
    assert all((a != b).any() for a, b in zip(after.frames, before.frames, strict=True))
    assert ObjectKind.TRUCK in after.road_users.kinds
    other = LearnedWorld(model=world.model, starts=[clip])
    assert ObjectKind.TRUCK in other.reset(0, {"start_clip": after}).scene.object_kinds


def test_a_barrier_on_the_lane_is_ahead_and_is_hit(world):
    step = world.reset(0, {"layout": [BARRIER]})
    half = world.model.config.vehicle.length / 2
    assert step.scene.lead_valid
    assert step.scene.lead == pytest.approx([9 - 0.3 - half, 0.0], abs=0.05)
    assert step.collision == 0
    assert max(world.step(CONTROL).collision for _ in range(14)) > 0.5


def test_walls_and_houses_are_hit(model, clip):
    state_only = LearnedWorld(LearnedWorldConfig(pictures=False), model=model, starts=[clip])
    state_only.reset(0, {})
    free = max(state_only.step(CONTROL).collision for _ in range(14))
    wall = layout_of(LayoutKind.WALL, HOUSE, (9.0, 0.1, 0.0, np.pi / 2, 4.0, 0.3, 2.0))
    state_only.reset(0, {"layout": clip.layout.with_boxes_of(wall)})
    hit = [state_only.step(CONTROL).collision for _ in range(14)]
    assert free < 0.01
    assert max(hit) > 0.5
    sign = layout_of(LayoutKind.SIGN, (9.0, 0.1, 5.0, np.pi, 0.1, 4.0, 1.0))
    state_only.reset(0, {"layout": clip.layout.with_boxes_of(sign)})
    assert max(state_only.step(CONTROL).collision for _ in range(14)) < 0.01


def test_what_is_repainted_looks_otherwise_and_is_not_fetched_as_it_was(world, clip):
    world.reset(0, {})
    world.edit([edit.Repaint(place=edit.OnMap(x=14, y=12), color=(255, 0, 0))])
    house = world.sensor_frames(["semantic"])["semantic"] == SemanticClass.BUILDING
    assert house.sum() > 100
    assert (world.frame() != clip.frames[-1]).any(axis=-1)[house].mean() > 0.9
    picture = world._running().generated.picture
    assert len(picture.drives[0].key_frames) >= 1
    shown = [picture.drives[0].key_frames.picture(k) for k in range(len(picture.drives[0].key_frames))]
    assert not any(np.array_equal(one, frame) for one in shown for frame in clip.frames)


def test_an_edit_out_of_sight_leaves_the_frames_as_they_are(world, clip):
    world.reset(0, {"layout": [edit.Put(thing="tree", place=edit.OnMap(x=-15, y=10))]})
    assert np.array_equal(world.frame(), clip.frames[-1])
    assert len(world.layout().boxes) == 2


def test_state_only_drives_track_the_same(model, clip):
    worlds = [LearnedWorld(model=model, starts=[clip])]
    worlds.append(LearnedWorld(LearnedWorldConfig(pictures=False), model=model, starts=[clip]))
    steps = []
    for world in worlds:
        world.reset(0, {"layout": [TRUCK, BARRIER]})
        steps.append([world.step(CONTROL) for _ in range(3)][-1])
    assert steps[0].scene == steps[1].scene
    assert steps[0].collision == steps[1].collision


def test_states_branches_and_two_worlds_keep_their_own(world, model, clip):
    world.reset(0, {"layout": [TRUCK]})
    snapshot, plain, saved = (
        world.snapshot(),
        LearnedWorld(model=model, starts=[clip]),
        LearnedWorld(model=model, starts=[clip]),
    )
    plain.reset(0, {})
    twin = branch(world)
    saved.restore(saved.codec.unpack(world.codec.pack(snapshot)))
    world.edit([edit.Remove(place=TRUCK.place), edit.Put(thing="hedge", place=edit.OnMap(x=20, y=6))])
    assert [len(one.layout().boxes) for one in (world, plain, twin, saved)] == [2, 1, 1, 1]
    for one, has_truck in ((world, False), (plain, False), (twin, True), (saved, True)):
        assert (ObjectKind.TRUCK in one.step(CONTROL).scene.object_kinds) == has_truck
    assert np.array_equal(saved.frame(), twin.frame())
    world.restore(snapshot)
    world.step(CONTROL)
    assert np.array_equal(world.frame(), twin.frame())
    world.reset(0, {})
    assert world.layout() is clip.layout


def test_who_is_put_keeps_an_id_of_its_own(world):
    world.reset(0, {"layout": [TRUCK, BARRIER]})
    world.edit([edit.Remove(place=TRUCK.place)])
    world.edit([edit.Put(thing="car", place=edit.AlongRoute(ahead=25, left=-3.0))])
    tracked = world._running().tracked
    assert tracked.surroundings[0].parked_ids.tolist() == [FIRST_ID + 1, FIRST_ID + 2]
    assert tracked.actors.traits[..., TraitColumn.ID].max() < FIRST_ID


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        (Layout(), "its area_points are not those of the learned world's start"),
        ([edit.Put(thing="tree", place=edit.AlongRoute(ahead=10))], "tree at 10 m ahead.* stands on the road"),
        ([edit.Put(thing="car", place=edit.OnMap(x=14, y=12))], "car at x = 14, y = 12 stands inside a building"),
        (
            [TRUCK, edit.Look(name="rain")],
            "knows no looks, 'rain' cannot be put on; right would be one with a looks.safetensors",
        ),
        ("fog", "layout must be a Layout, such as"),
    ],
)
def test_a_bad_layout_leaves_no_episode(world, layout, says):
    with pytest.raises(ValueError, match=says):
        world.reset(0, {"layout": layout})
    with pytest.raises(ValueError, match="call reset first"):
        world.step(CONTROL)


def test_a_start_without_a_layout_cannot_be_edited(model):
    world = LearnedWorld(model=model, starts=[random_clip(8)])
    with pytest.raises(ValueError, match=r"truck at 14 m ahead.*: the layout here is not known"):
        world.reset(0, {"layout": [TRUCK]})


def test_the_env_answers_an_edit_as_a_reset(tiny_checkpoint, clip):
    env = gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint).unwrapped
    env.reset(seed=0, options={"start_clip": clip})
    frame, info = env.edit([BARRIER])
    assert (frame != clip.frames[-1]).any()
    assert SceneState.from_vector(info["scene"]).lead_valid
    state = env.get_state()
    with pytest.raises(ValueError, match="stands on the road"):
        env.edit([edit.Put(thing="tree", place=edit.AlongRoute(ahead=20))])
    assert env.get_state() == state
    env.close()
