"""The others: who is who from frame to frame, places along the road, how they move, start, leave and arrive."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import random_clip

from worldsim.actors.actor_model import ARRIVAL_NAMES, ActorModel, actor_features, integrate, lane_keeping
from worldsim.actors.actors import ACTOR_NAMES, COLOR, TRAIT_NAMES, Actors, TraitColumn, match_objects, object_states
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.actors.nearby import nearby_objects
from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, RouteFrame, find_lead, to_frenet
from worldsim.configs import ActorConfig
from worldsim.datatypes.boxes import corners, separation
from worldsim.datatypes.route import Routes, preview_routes
from worldsim.datatypes.scene import SceneState

EGO = np.array([[0.0, 0.0, 0.0, 5.0, 0.0, 0.0]])


def actor(x: float, y: float, yaw: float = 0.0, speed: float = 5.0, drives: float = 1.0) -> np.ndarray:
    return np.array([x, y, yaw, speed, 4.4, 1.8, 0.0, drives, np.nan, 0.0])


def actors(*rows: np.ndarray, kinds: tuple[int, ...] = ()) -> Actors:
    states = np.zeros((1, 12, len(ACTOR_NAMES)))
    states[0, : len(rows)] = rows
    kind = np.zeros((1, 12), np.int64)
    kind[0, : len(rows)] = kinds or 1
    traits = np.zeros((1, 12, len(TRAIT_NAMES)))
    traits[..., COLOR], traits[..., TraitColumn.ID] = 0.5, np.arange(12)
    traits[..., TraitColumn.RECURS] = kind > 0
    return Actors(states=states, kinds=kind, vacant=np.zeros((1, 12), bool), traits=traits)


def scene_objects(who: Actors, vehicles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return nearby_objects(who, vehicles, [np.zeros((0, 7))] * len(vehicles), np.zeros(len(vehicles)))


def straight(y: float = 0.0) -> RouteFrame:
    route = Routes.stack([np.stack([np.arange(-5.0, 120.0), np.full(125, y)], axis=-1)])
    return RouteFrame.from_preview(preview_routes(route, EGO, np.zeros(1, np.int64)))


def turning(radius: float = 15.0) -> RouteFrame:
    angle = np.arange(0.0, 100.0) / radius
    route = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle))], axis=-1)[: int(radius * 3)]
    return RouteFrame.from_preview(preview_routes(Routes.stack([route]), EGO, np.zeros(1, np.int64)))


@pytest.fixture(scope="module")
def model() -> ActorModel:
    torch.manual_seed(0)
    return ActorModel(ActorConfig(width=16, num_arrivals=4)).requires_grad_(False)


def test_separation_is_the_distance_of_parallel_boxes_and_negative_inside() -> None:
    a = np.array([0.0, 0.0, 0.0, 4.0, 2.0])
    b = np.array([[7.0, 0.0, 0.0, 4.0, 2.0], [0.0, -3.5, 0.0, 4.0, 2.0], [3.0, 0.5, 0.0, 4.0, 2.0]])
    assert separation(a, b) == pytest.approx([3.0, 1.5, -1.0])
    rng = np.random.default_rng(0)
    for _ in range(100):
        c = np.array([*rng.uniform(-8, 8, 2), rng.uniform(-3, 3), 4.0, 2.0])
        distance = np.hypot(*(corners(a)[:, None] - corners(c)[None]).transpose(2, 0, 1)).min()
        assert separation(a, c) <= distance + 1e-9
        assert separation(a, c) == pytest.approx(separation(c, a))


def test_the_line_bends_with_the_road_between_the_preview_points() -> None:
    line = turning()
    angle = ROUTE_FRAME_ARCS / 15.0
    known = ROUTE_FRAME_ARCS <= 30
    points = np.stack([15 * np.sin(angle), 15 * (1 - np.cos(angle))], axis=-1)[known]
    assert np.abs(line.points[0, known] - points).max() < 0.15


def test_places_on_the_line() -> None:
    seen = np.stack([actor(20, 3), actor(30, -2, yaw=math.pi), actor(10, 30), actor(-10, 0)])[None]
    place = to_frenet(straight(1.0), seen)
    assert place.s[0, :2] == pytest.approx([20, 30], abs=1e-6)
    assert place.lateral[0, :2] == pytest.approx([2, -3], abs=1e-6)
    assert np.abs(place.heading[0, :2]) == pytest.approx([0, math.pi], abs=1e-6)
    assert place.on[0].tolist() == [True, True, False, False]
    assert place.bend_near[0] == pytest.approx(np.zeros(4), abs=1e-9)
    bend = to_frenet(turning(), np.stack([actor(2, 0), actor(10, 3.4, yaw=0.7 + math.pi)])[None])
    assert bend.bend_near[0] == pytest.approx([8 / 15, -8 / 15], abs=0.08)


def test_the_lead_is_the_nearest_in_the_corridor() -> None:
    rows = [actor(30, 0, speed=4.0), actor(20, 3.0), actor(12, 1.9, speed=2.0)]
    seen = np.stack(rows)[None]
    gap, speed, present = find_lead(to_frenet(straight(), seen), seen, np.ones((1, 3), int), (4.6, 1.9))
    assert (gap[0], speed[0], present[0]) == (pytest.approx(12 - 2.2 - 2.3), 2.0, True)
    apart = np.stack(rows[:2])[None]
    gap, speed, _ = find_lead(to_frenet(straight(), apart), apart, np.ones((1, 2), int), (4.6, 1.9))
    assert (gap[0], speed[0]) == (pytest.approx(30 - 4.5), 4.0)
    none = find_lead(to_frenet(straight(), apart), apart, np.array([[0, 1]]), (4.6, 1.9))
    assert not none[2].any()


def test_who_is_who_is_told_by_kind_size_and_motion() -> None:
    before = np.stack([actor(10, 0), actor(20, 0), actor(30, 0, speed=0.0)])
    after = np.stack([actor(20.5, 0), actor(10.5, 0), actor(30, 0, speed=0.0), actor(40, 0)])
    after[2, 4] = 4.0  # another car now stands there
    match = match_objects(before, np.ones(3, int), after, np.ones(4, int), 0.1, 1.0)
    assert match.tolist() == [1, 0, -1, -1]


def test_the_actors_of_a_clip_are_its_objects_with_their_turning() -> None:
    clip = random_clip(6)
    objects = clip.scenes.objects.copy()
    objects[-2, 0, 2], objects[-1, 0, 2] = 0.0, 0.02
    objects[-2, 0, 3] = 4.9
    clip = replace(clip, scenes=replace(clip.scenes, objects=objects))
    found = actors_of_clips([clip])
    assert found.kinds[0, :3].tolist() == [1, 3, 0]
    assert found.states[0, 0, :2] == pytest.approx([14.0 + clip.vehicles[-1, 0], -0.3], abs=1e-5)
    assert found.states[0, 0, 6] == pytest.approx(0.2, abs=1e-4)
    assert found.states[0, 0, 9] == pytest.approx(1.0, abs=1e-4)
    assert found.states[0, :2, 7].tolist() == [1, 1]
    objects, kinds = scene_objects(found, clip.vehicles[-1:])
    np.testing.assert_allclose(objects[0], clip.scenes.objects[-1] * (kinds[0] > 0)[:, None], atol=1e-5)


def test_far_actors_are_tracked_but_not_listed() -> None:
    objects, kinds = scene_objects(actors(actor(64, 0), actor(50, 0), actor(5, 5)), EGO)
    assert kinds[0, :3].tolist() == [1, 1, 0]
    assert objects[0, :2, 0] == pytest.approx([5, 50])


def test_motion_is_integrated() -> None:
    state = actor(0, 0, speed=10.0)
    for _ in range(20):
        state = integrate(state, np.array([-2.0, 0.1]), 0.1)
    assert state[3] == pytest.approx(6.0)
    assert state[2] == pytest.approx(0.2)
    assert state[0] == pytest.approx(16.0, abs=0.15)
    assert integrate(actor(0, 0, speed=0.1), np.array([-3.0, 1.0]), 0.1)[[2, 3]].tolist() == [0, 0]


def test_lane_keeping_returns_to_its_offset_and_follows_the_bend() -> None:
    line, state = turning(30.0), actor(1.0, 0.8, speed=8.0)
    state[8] = 0.0
    for _ in range(25):
        place = to_frenet(line, state[None, None])
        state = integrate(state, np.array([0.0, lane_keeping(state[None, None], place)[0, 0]]), 0.1)
    place = to_frenet(line, state[None, None])
    assert abs(place.lateral[0, 0]) < 0.15
    assert abs(place.heading[0, 0]) < 0.06


def step(
    model: ActorModel, who: Actors, line: RouteFrame, seed: int = 0, overrides: np.ndarray | None = None
) -> Actors:
    return model.step(who, EGO, line, EGO, 0.1, [(seed, 0)], overrides)


def test_steps_leave_the_actors_they_were_given_alone(model: ActorModel) -> None:
    who = actors(actor(20, 0), actor(30, 3.5, yaw=math.pi), actor(64, 70))
    states, kinds = who.states.copy(), who.kinds.copy()
    step(model, who, straight())
    np.testing.assert_array_equal(who.states, states)
    np.testing.assert_array_equal(who.kinds, kinds)


def test_an_overridden_actor_is_where_it_is_put_and_never_leaves(model: ActorModel) -> None:
    overrides = np.full((1, 12, len(ACTOR_NAMES)), np.nan)
    overrides[0, 1] = np.nan_to_num(actor(200.0, 7.0))
    after = step(model, actors(actor(20, 0), actor(30, 3.5)), straight(), overrides=overrides)
    np.testing.assert_array_equal(after.states[0, 1], overrides[0, 1])
    assert after.kinds[0, :2].tolist() == [1, 1]
    assert 20 < after.states[0, 0, 0] < 21


def test_who_leaves_is_followed_by_an_arrival_on_the_road(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 3.5, math.pi, 6.0, 8.0, 2.4, 2.0, 0.1, 0.2, 0.3])
    model.arrivals.copy_(arrivals)
    after = step(model, actors(actor(20, 0), actor(-26, 0)), turning(40.0), seed=3)
    assert after.kinds[0, :2].tolist() == [1, 2]
    assert not after.vacant.any()
    place = to_frenet(turning(40.0), after.states[:, 1:2])
    assert place.s[0, 0] == pytest.approx(40.0, abs=0.5)
    assert place.lateral[0, 0] == pytest.approx(3.5, abs=0.1)
    assert np.cos(place.heading[0, 0]) == pytest.approx(-1, abs=0.01)
    assert after.colors[0, 1] == pytest.approx([0.1, 0.2, 0.3])
    again = step(model, actors(actor(20, 0), actor(-26, 0)), turning(40.0), seed=3)
    np.testing.assert_array_equal(again.states, after.states)


def test_actors_of_unknown_colour_get_that_of_an_arrival_of_their_kind(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    arrivals[1] = torch.tensor([40.0, 0.0, 0.0, 6.0, 8.0, 2.4, 2.0, 0.7, 0.8, 0.9])
    arrivals[2] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, *[torch.nan] * 3])
    model.arrivals.copy_(arrivals)
    who = actors(actor(20, 0), actor(25, 0), actor(30, 0))
    who.kinds[0, 1] = 2
    who.colors[0, 1:] = np.nan
    after = model.painted(who, [(7,)])
    assert after.colors[0, 0] == pytest.approx(0.5)  # known
    assert after.colors[0, 1] == pytest.approx([0.7, 0.8, 0.9])
    assert after.colors[0, 2] == pytest.approx([0.1, 0.2, 0.3])
    assert np.isfinite(after.colors).all()


def test_nobody_arrives_on_top_of_another_or_where_places_were_free_from_the_start(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    model.arrivals.copy_(arrivals)
    after = step(model, actors(actor(41, 0), actor(-26, 0)), straight())
    assert (after.kinds > 0).sum() == 1
    assert after.vacant.sum() == 1


def test_a_driver_who_waits_starts_by_chance_and_the_parked_never(model: ActorModel) -> None:
    who = actors(actor(20, 0, speed=0.0), actor(25, -4.0, speed=0.0, drives=0.0))
    speeds = np.stack([step(model, who, straight(), seed=k).states[0, :2, 3] for k in range(200)])
    assert 0 < (speeds[:, 0] > 0).mean() < 1
    assert not speeds[:, 1].any()


def test_who_is_ahead_is_felt_and_who_is_beside_is_not() -> None:
    who = actors(actor(20, 0, speed=8.0), actor(30, 0, speed=3.0), actor(20, 1.5, speed=0.0))
    seen = who.in_ego_frame(EGO)
    felt = actor_features(seen, who.kinds, to_frenet(straight(), seen), EGO[:, 3])
    assert felt[0, 0, 22] * 30 == pytest.approx(10 - 4.4, abs=1e-4)
    assert felt[0, 0, 24] * 5 == pytest.approx(-5.0, abs=1e-4)
    assert np.isfinite(felt).all()


def test_states_of_objects_and_back() -> None:
    scene = SceneState.empty()
    scene.object_kinds[0] = 1
    scene.objects[0] = 10.0, 2.0, 0.5, 3.0, 4.0, 1.8
    vehicle = np.array([100.0, 50.0, 1.0, 5.0, 0.0, 0.0])
    state = object_states(scene, vehicle)[0]
    assert state[2] == pytest.approx(1.5)
    assert np.hypot(*(state[:2] - vehicle[:2])) == pytest.approx(math.hypot(10, 2), abs=1e-5)
