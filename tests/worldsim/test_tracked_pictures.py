"""What the camera shows of a tracked drive: who is there, under which number, at which height, and the lights."""

from dataclasses import replace

import numpy as np
import pytest
from known_clips import STILL, clip_with, ground, heads, tracker, users

from worldsim.actors.actors import TRAIT_NAMES, TraitColumn
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.scene import NUM_OBJECTS, ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.scene_tracker import TrackedState
from worldsim.surroundings import GroundColumn
from worldsim.tracked_pictures import context_scenes, known_road_users

GAS = np.array([[0.0, 1.0, 0.0, 0.0]], np.float32)


def test_a_picture_shows_all_road_users_of_the_clip_in_view_under_their_rows():
    known = users((20, -4, 0, 0, True), (30, 0, 0, 5.0, False), (-20, 4, 0, 8.0, False), (100, -4, 0, 0, True))
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=known)], [0])
    scene = tracked.camera_scene(state, 0)

    assert sorted(scene.user_ids.tolist()) == [0, 1, 3]  # the one behind is out of sight
    row = scene.user_ids.tolist().index(3)
    np.testing.assert_allclose(scene.users.boxes[row], known.boxes[3])
    np.testing.assert_allclose(scene.users.colors[row], [200, 20, 30])
    assert scene.users.kinds.tolist() == [ObjectKind.CAR] * 3


def test_the_sun_stands_where_it_stood_in_the_clip():
    sun = np.array([0.48, -0.64, 0.6])
    tracked = tracker()
    for given in (sun, None):
        clip = clip_with(road_users=KnownRoadUsers.none(), sun=given)
        state = tracked.begin([clip], [0])
        shown = [tracked.camera_scene(tracked.step(state, GAS), 0), *context_scenes(state, 0, clip)]
        assert all((one.sun is None) if given is None else np.array_equal(one.sun, given) for one in shown)


def test_road_users_keep_their_numbers_and_who_is_parked_stands():
    known = users((20, -4, 0, 0, True), (30, 0, 0, 5.0, False))
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=known)], [0])
    before = dict(zip(*_places(tracked, state), strict=True))
    for _ in range(10):
        state = tracked.step(state, STILL)
    after = dict(zip(*_places(tracked, state), strict=True))

    assert after[0] == before[0]
    assert after[1] == pytest.approx(before[1] + 5.0, abs=1e-6)


def test_parked_ones_cost_no_slot_and_are_listed_as_they_come_near():
    row = [(10.0 * k, -4.0, 0.0, 0.0, True) for k in range(2, 32)]
    tracked = tracker()
    state = tracked.begin([clip_with(speed=20.0, road_users=users(*row))], [0])
    scene = tracked.read(state).scene

    assert not state.actors.kinds.any()
    assert (scene.object_kinds[0] == ObjectKind.CAR).sum() == 4  # at 20 to 50 m
    for _ in range(20):
        state = tracked.step(state, GAS)
    nearest = tracked.read(state).scene.objects[0, 0, 0]
    assert (tracked.read(state).scene.object_kinds[0] == ObjectKind.CAR).sum() in (9, 10, 11, NUM_OBJECTS)
    ahead = np.array([r[0] for r in row]) - state.vehicles[0, 0]
    assert nearest == pytest.approx(ahead[np.abs(ahead).argmin()], abs=1e-3)


def test_an_ego_that_touches_one_who_is_parked_collides():
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=users((4.0, 0, 0, 0, True)))], [0])
    assert tracked.read(state).collision[0] > 0.9


def test_who_drives_towards_the_ego_from_far_away_comes_on_and_who_drives_away_leaves():
    known = users((100, 3.5, np.pi, 10.0, False), (90, 0, 0, 10.0, False), (40, 0, 0, 15.0, False))
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=known)], [0])
    ids = state.actors.traits[0, :, TraitColumn.ID]
    for _ in range(30):
        state = tracked.step(state, STILL)

    left = ids[(state.actors.kinds[0] == 0) & (np.arange(len(ids)) < 3)]
    assert sorted(left.tolist()) == [1, 2]
    # the one who was near from the first is followed by another, the far one is not
    assert state.actors.vacant[0].sum() == 1


def test_a_pedestrian_strides_on_with_the_distance_walked():
    known = users((10, -4, np.pi / 2, 1.4, False), kind=ObjectKind.PEDESTRIAN)
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=known)], [0])
    for _ in range(5):
        state = tracked.step(state, STILL)
    assert tracked.camera_scene(state, 0).users.phases[0] == pytest.approx(np.pi, abs=1e-6)


def test_who_slows_down_shows_brake_lights_and_overrides_tell_so_by_their_speed():
    tracked = tracker()
    state = tracked.begin([clip_with(road_users=users((30, 0, 0, 5.0, False)))], [0])
    assert not tracked.camera_scene(state, 0).users.braking.any()

    override = np.full(state.actors.states.shape, np.nan)
    override[0, 0, :6] = 30.5, 0.0, 0.0, 4.5, 4.4, 1.8
    override[0, 0, 6:8] = 0.0, 1.0
    state = tracked.step(state, STILL, override)
    assert tracked.camera_scene(state, 0).users.braking.tolist() == [True]


def test_lights_go_through_their_cycles():
    cycles = np.array([[10.0, 0.0, 0.45, 0.5], [10.0, 5.0, 3.0, 1.0]])
    tracked = tracker()
    state = tracked.begin([clip_with(layout=heads((20, -4, np.pi, 1)), light_cycles=cycles)], [0])
    shown = []
    for _ in range(12):
        shown.append(tracked.camera_scene(state, 0).lights)
        state = tracked.step(state, STILL)
    assert [int(lights[0]) for lights in shown[::5]] == [SignalKind.GREEN, SignalKind.YELLOW, SignalKind.RED]
    assert {int(lights[1]) for lights in shown} == {SignalKind.RED}


def test_without_cycles_lights_are_not_known():
    tracked = tracker()
    state = tracked.begin([clip_with(layout=heads((20, -4, np.pi, 1)))], [0])
    assert tracked.camera_scene(state, 0).lights is None


def hill() -> np.ndarray:
    x = np.linspace(-60.0, 200.0, 261)
    return np.stack([x, np.zeros_like(x), np.maximum(0.05 * x, 0.0)], axis=-1)


def test_the_ego_follows_the_height_and_the_grade_of_the_ground():
    tracked = tracker()
    state = tracked.begin([clip_with(speed=20.0, layout=ground(hill()), ego_z=0.0)], [0])
    for _ in range(30):
        state = tracked.step(state, GAS)
    z, grade = state.ground[0, [GroundColumn.Z, GroundColumn.GRADE]]
    assert z == pytest.approx(0.05 * state.vehicles[0, 0], abs=0.1)
    assert grade == pytest.approx(0.05, abs=0.01)
    view = tracked.camera_scene(state, 0).view
    assert (view.z, view.grade) == (z, grade)


def test_on_a_bridge_one_stays_on_it_and_below_it_below():
    x = np.linspace(-80.0, 200.0, 281)
    over = np.stack([x, np.zeros_like(x), np.full_like(x, 6.0)], axis=-1)
    under = np.stack([np.full_like(x, 40.0), x - 60.0, np.zeros_like(x)], axis=-1)
    road = replace(ground(over), boxes_known=True)
    below = ground(under[:, [1, 0, 2]])
    crossing = replace(
        road,
        area_points=np.concatenate([road.area_points, below.area_points[:, [1, 0, 2]]]),
        area_starts=np.concatenate([road.area_starts, len(road.area_points) + below.area_starts[1:]]),
        area_kinds=np.concatenate([road.area_kinds, below.area_kinds]),
    )
    on_bridge, below_it = users((40, 0, 0, 0.0, True)), users((40, 0, 0, 0.0, True))
    boxes = below_it.boxes.copy()
    on_bridge.boxes[:, BoxColumn.Z] = 6.0
    both = KnownRoadUsers.concatenate([on_bridge, replace(below_it, boxes=boxes)])
    tracked = tracker()
    state = tracked.begin([clip_with(speed=20.0, layout=crossing, road_users=both, ego_z=6.0)], [0])
    for _ in range(20):
        assert state.ground[0, GroundColumn.Z] == pytest.approx(6.0, abs=0.3)
        state = tracked.step(state, GAS)
    # pictures show both, the scene only the one on the ego's level
    assert (tracked.read(state).scene.object_kinds[0] > 0).sum() == 1


def test_context_scenes_have_road_users_where_they_were():
    scenes = SceneState.empty((3,))
    scenes.object_kinds[:, 0] = ObjectKind.CAR
    scenes.objects[:, 0] = [(28.0, 0, 0, 10.0, 4.4, 1.8), (29.0, 0, 0, 10.0, 4.4, 1.8), (30.0, 0, 0, 10.0, 4.4, 1.8)]
    known = users((30, 0, 0, 10.0, False), (90, 3.5, np.pi, 20.0, False), (20, -4, 0, 0, True))
    clip = clip_with(scenes=scenes, road_users=known)
    tracked = tracker()
    state = tracked.begin([clip], [0])
    found = context_scenes(state, 0, clip)

    assert len(found) == 3
    x = [dict(zip(one.user_ids.tolist(), one.users.boxes[:, 0].tolist(), strict=True)) for one in found]
    assert [one[0] for one in x] == pytest.approx([28, 29, 30])
    assert [one[1] for one in x] == pytest.approx([94, 92, 90])
    assert [one[2] for one in x] == pytest.approx([20, 20, 20])


def test_a_clip_that_knows_only_its_scene_is_shown_by_it():
    scenes = SceneState.empty((3,))
    scenes.object_kinds[:, 0], scenes.objects[:, 0] = ObjectKind.TRUCK, (30.0, 0, 0, 5.0, 8.0, 2.4)
    tracked = tracker()
    state = tracked.begin([clip_with(scenes=scenes)], [0])
    shown = tracked.camera_scene(state, 0).users
    assert shown.kinds.tolist() == [ObjectKind.TRUCK]
    assert shown.boxes[0, BoxColumn.HEIGHT] > 2.5
    assert known_road_users(state, 0) is None


def test_a_drive_hands_on_whom_it_knows():
    known = users((20, -4, 0, 0, True), (30, 0, 0, 5.0, False))
    tracked = tracker()
    state = tracked.step(tracked.begin([clip_with(road_users=known)], [0]), STILL)
    handed = known_road_users(state, 0)
    assert handed is not None
    assert sorted(handed.parked.tolist()) == [False, True]
    again = tracked.begin([clip_with(road_users=handed)], [0])
    assert sorted(_places(tracked, again)[1]) == pytest.approx(sorted(_places(tracked, state)[1]))


def test_states_share_what_never_changes():
    tracked = tracker()
    clip = clip_with(layout=ground(hill()), road_users=users((20, -4, 0, 0, True)))
    state = tracked.begin([clip, clip], [0, 1])
    world = tracked.static_world(state, 0)
    assert tracked.static_world(state, 1) is world
    both = TrackedState.concat([tracked.step(state, np.repeat(STILL, 2, 0)).take([1]), state])
    assert {id(tracked.static_world(both, slot)) for slot in range(3)} == {id(world)}


def test_more_than_the_slots_hold_leaves_out_the_farthest():
    many = users(*[(10.0 + 5.0 * k, 0, 0, 5.0, False) for k in range(20)])
    actors = actors_of_clips([clip_with(road_users=many)])
    assert (actors.kinds > 0).all()
    assert actors.traits.shape[-1] == len(TRAIT_NAMES)
    assert actors.states[0, :, 0].max() == pytest.approx(10.0 + 5.0 * (actors.kinds.shape[1] - 1))


def _places(tracked, state: TrackedState) -> tuple[list[int], list[float]]:
    scene = tracked.camera_scene(state, 0)
    return scene.user_ids.tolist(), scene.users.boxes[:, 0].tolist()
