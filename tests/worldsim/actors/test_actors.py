"""The others: who is who from frame to frame, places along the road, how they move, start, leave and arrive."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from lane_layouts import tee
from tiny_model import random_clip

from worldsim.actors.actor_features import NUM_FEATURES, SPEED_UNIT, actor_features
from worldsim.actors.actor_model import ActorModel
from worldsim.actors.actor_motion import integrate, lane_keeping
from worldsim.actors.actors import (
    ACTOR_NAMES,
    COLOR,
    HABITS,
    TRAIT_NAMES,
    Actors,
    TraitColumn,
    match_objects,
    object_states,
)
from worldsim.actors.all_courses import find_all_courses
from worldsim.actors.arrivals import (
    ARRIVAL_NAMES,
    BEFORE_JUNCTION,
    IN_VIEW,
    LEAVE_RANGE,
    OUT_OF_VIEW,
    VIEW_ANGLE,
    ArrivalColumn,
    lane_places,
)
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import find_courses, free_courses
from worldsim.actors.driver_habits import HabitColumn, SeenColumn
from worldsim.actors.lane_graph import LaneGraph, Streets
from worldsim.actors.nearby import nearby_objects
from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, RouteFrame, find_lead, to_frenet
from worldsim.actors.speed_bound import HOLD_BRAKING, allowed_speeds
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
    traits[..., COLOR], traits[..., TraitColumn.ID], traits[..., TraitColumn.WAY] = 0.5, np.arange(12), np.arange(12)
    traits[..., TraitColumn.RECURS], traits[..., HABITS] = kind > 0, (0.9, 1.5)
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
        rate = lane_keeping(state[None, None], place, free_courses((1, 1)))[0, 0]
        state = integrate(state, np.array([0.0, rate]), 0.1)
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
    pose = to_frenet(straight(), seen)
    courses = find_all_courses(who, EGO, straight(), [None], seen, pose)
    assert courses[0, 0, CourseColumn.GAP] == pytest.approx(10 - 4.4, abs=1e-4)
    assert courses[0, 0, CourseColumn.LEAD_SPEED] == pytest.approx(3.0)
    felt = actor_features(seen, who.kinds, pose, EGO[:, 3], courses, np.array([np.nan]))
    assert felt.shape == (1, 12, NUM_FEATURES)
    assert np.isfinite(felt).all()
    assert (actor_features(seen, who.kinds, pose, EGO[:, 3], courses, np.array([9.0])) != felt).any()


def test_no_vehicle_is_faster_than_it_can_stop_for_its_lead_its_line_and_whom_it_waits_for() -> None:
    courses = free_courses((1, 5))
    courses[0, 0, [CourseColumn.GAP, CourseColumn.LEAD_SPEED]] = 1.5 + 7.0, 3.0
    courses[0, 1, CourseColumn.STOP] = 7.0
    courses[0, 2, CourseColumn.WAIT] = 0.0
    courses[0, 3, CourseColumn.STOP] = 7.0
    allowed = allowed_speeds(courses, np.array([[1, 2, 1, 3, 1]]), np.zeros((1, 5)), 1e-9)[0]
    assert allowed[:3] == pytest.approx([np.sqrt(9 + 14 * HOLD_BRAKING), np.sqrt(14 * HOLD_BRAKING), 0.0], abs=1e-6)
    assert np.isinf(allowed[3])  # pedestrians
    assert allowed[4] > 20

    # braked step by step, it stops at the line and never has to brake harder than at first
    speed, left, kinds = 10.0, 10.0**2 / (2 * HOLD_BRAKING), np.ones((1, 1), int)
    courses = free_courses((1, 1))
    while speed > 0.05:
        courses[0, 0, CourseColumn.STOP] = left
        after = min(allowed_speeds(courses, kinds, np.array([[speed]]), 0.1)[0, 0], speed)
        assert (speed - after) / 0.1 < 1.02 * HOLD_BRAKING
        left -= 0.1 * (speed + after) / 2
        speed = after
    assert abs(left) < 0.05


def on_street(who: Actors, model: ActorModel, time: float, num: int, cycles: np.ndarray | None = None) -> list[Actors]:
    """The actors after each of `num` steps by the lanes of a T with lights, far from the ego."""
    lanes = LaneGraph.of(tee(lights=True))
    ego, found = np.array([[-30.0, -30.0, 0.0, 0.0, 0.0, 0.0]]), []
    nowhere = RouteFrame(
        np.stack([np.zeros((1, len(ROUTE_FRAME_ARCS))), ROUTE_FRAME_ARCS[None]], -1), np.array([False])
    )
    for k in range(num):
        streets = [Streets(lanes, cycles, time + 0.1 * k)]
        who = model.step(who, ego, nowhere, ego, 0.1, [(0, k)], streets=streets)
        found.append(who)
    return found


CYCLES = np.array([[1000.0, 0.0, 5.0, 3.0], [1000.0, 500.0, 5.0, 3.0]])


def test_vehicles_turn_with_their_lane_and_stop_at_a_red_light_until_it_is_green(model: ActorModel) -> None:
    model = replace_weights(model, acceleration=0.5)
    who = actors(actor(2.3, -30, yaw=np.pi / 2, speed=6.0), actor(-40, -2, speed=8.0))
    red = on_street(who, model, 100.0, 80, CYCLES)
    fronts = np.array([[one.states[0, 0, 1] + 2.2, one.states[0, 1, 0] + 2.2] for one in red])
    assert fronts.max() < -10.9  # the lines are at -11
    assert (fronts[-1] > -14).all()
    assert red[-1].states[0, :2, 3].max() < 0.1
    green = on_street(red[-1], model, 1000.0, 100, CYCLES)
    assert max(one.states[0, 1, 0] for one in green) > 0  # the main road has group 0
    assert green[-1].states[0, 0, 1] < -12
    unknown = on_street(who, model, 100.0, 60)
    end = unknown[-1].states[0, 0]
    assert abs(abs(end[0]) - 12) < 60
    assert abs(np.sin(end[2])) < 0.2  # has turned, left or right
    assert abs(end[1] - (2.3 if end[0] < 0 else -2.3)) < 0.6  # and keeps its offset


def replace_weights(model: ActorModel, acceleration: float) -> ActorModel:
    """A model that always asks for the same acceleration [m/s²], and lets those who may start."""
    steady = ActorModel(model.config).requires_grad_(False)
    for parameter in steady.parameters():
        parameter.zero_()
    steady.network[-1].bias.copy_(torch.tensor([acceleration / 1.5, 0.0, 3.0]))  # type: ignore[union-attr]
    return steady


def test_states_of_objects_and_back() -> None:
    scene = SceneState.empty()
    scene.object_kinds[0] = 1
    scene.objects[0] = 10.0, 2.0, 0.5, 3.0, 4.0, 1.8
    vehicle = np.array([100.0, 50.0, 1.0, 5.0, 0.0, 0.0])
    state = object_states(scene, vehicle)[0]
    assert state[2] == pytest.approx(1.5)
    assert np.hypot(*(state[:2] - vehicle[:2])) == pytest.approx(math.hypot(10, 2), abs=1e-5)


def test_pedestrians_do_not_walk_into_vehicles_or_before_moving_ones(model: ActorModel) -> None:
    model = replace_weights(model, acceleration=0.0)
    walker = actor(30, 6.0, yaw=-np.pi / 2, speed=1.4)
    walker[4:6] = 0.6
    for vehicle, walks in (
        (actor(30, 4.0, speed=0.0, drives=0.0), False),
        (actor(25, 4.0, speed=8.0), False),
        (actor(20, 4.0, speed=0.0, drives=0.0), True),
        (actor(36, 4.0, speed=8.0), True),
    ):
        after = step(model, actors(walker, vehicle, kinds=(3, 1)), straight())
        assert (after.states[0, 0, 3] > 1.2) == walks
        assert (abs(after.states[0, 0, 2] + np.pi / 2) < 1e-6) == walks  # else it turns away

    # face to face with a standing car it walks out of its way
    walker[:4] = 24, 0.3, np.pi, 1.2
    who = actors(walker, actor(20, 0, speed=0.0, drives=0.0), kinds=(3, 1))
    for k in range(200):
        who = step(model, who, straight(), seed=k)
        boxes = who.states[0, :2][:, [0, 1, 2, 4, 5]]
        assert separation(boxes[0], boxes[1]) > 0
    assert abs(who.states[0, 0, 1]) > 2


def test_vehicles_arrive_on_lanes_of_their_direction_alone(model: ActorModel) -> None:
    lanes = LaneGraph.of(tee())
    ego = np.array([[-50.0, -2.0, 0.0, 5.0, 0.0, 0.0]])
    line = straight()
    for lateral, heading, comes in ((0.0, 0.0, True), (4.0, math.pi, True), (0.0, math.pi, False), (8.0, 0.0, False)):
        arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
        arrivals[0] = torch.tensor([36.0, lateral, heading, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
        model.arrivals.copy_(arrivals)
        who = actors(actor(-90, -2))
        after = model.step(who, ego, line, ego, 0.1, [(0, 0)], streets=[Streets(lanes, None, 0.0)])
        assert (after.kinds[0, 0] > 0) == comes


def test_nobody_arrives_where_the_one_behind_could_not_brake(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 10.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    model.arrivals.copy_(arrivals)
    for ahead, comes in ((12.0, False), (30.0, True)):
        after = step(model, actors(actor(40.0 + ahead, 0, speed=0.0), actor(-26, 0)), straight())
        assert (after.kinds[0, 1] > 0) == comes


def test_a_pedestrian_between_vehicles_finds_the_one_way_out(model: ActorModel) -> None:
    model = replace_weights(model, acceleration=0.0)
    walker = actor(30, 0, speed=1.0)
    walker[4:6] = 0.6
    around = [actor(34.0, 0, speed=0.0), actor(30, 2.0, speed=0.0), actor(26.0, 0, speed=0.0)]
    who = actors(walker, *around, kinds=(3, 1, 1, 1))
    for k in range(120):
        who = step(model, who, straight(), seed=k)
        who.states[0, 1:4] = around
    assert who.states[0, 0, 1] < -2


def by_lanes(model: ActorModel, who: Actors, ego: np.ndarray, num: int) -> list[Actors]:
    """The actors after each of `num` steps on the lanes of a T."""
    streets, found = [Streets(LaneGraph.of(tee()), None, 0.0)], []
    for k in range(num):
        who = model.step(who, ego, straight(), ego, 0.1, [(0, k)], streets=streets)
        found.append(who)
    return found


def arriving(model: ActorModel, drivers: float, pedestrians: float = 0.0) -> ActorModel:
    """A model of recordings with so many cars and pedestrians per metre of lane."""
    steady = replace_weights(model, acceleration=0.0)
    steady.arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    steady.arrivals[1] = torch.tensor([40.0, -4.0, 0.0, 1.2, 0.6, 0.6, 3.0, 0.1, 0.2, 0.3])
    steady.densities[:] = torch.tensor([drivers, pedestrians])
    return steady


WEST_END = np.array([[-58.0, -2.0, 0.0, 0.0, 0.0, 0.0]])


def test_vehicles_come_on_any_lane_that_leads_on_until_traffic_is_as_dense_as_recorded(model: ActorModel) -> None:
    lanes = LaneGraph.of(tee())
    _, length = lane_places(lanes, WEST_END[0])
    assert length == pytest.approx(242, abs=10)  # up to 58 m, and all of the stem
    who = actors(actor(-40, -2, speed=0.0))
    who.vacant[0, 1:] = False
    alone = by_lanes(arriving(model, 0.9 / length), who, WEST_END, 20)
    assert max((one.kinds > 0).sum() for one in alone) == 1
    found = by_lanes(arriving(model, 3.0 / length), who, WEST_END, 20)
    assert [(one.kinds > 0).sum() for one in found][-1] == 3
    places = set()
    for before, one in zip([who, *found], found, strict=False):
        for slot in np.flatnonzero((one.kinds[0] > 0) & (before.kinds[0] == 0)):
            x, y, yaw, speed = one.states[0, slot, :4]
            assert one.traits[0, slot, TraitColumn.RECURS] == 1
            assert one.colors[0, slot] == pytest.approx([0.1, 0.2, 0.3])
            assert speed >= 3
            places.add((round(float(np.cos(yaw))), round(float(np.sin(yaw)))))
            assert np.hypot(x + 58, y + 2) >= IN_VIEW - 1
    assert places
    # where nobody has been from the first, nobody comes
    left = actors(actor(-40, -2))
    left.kinds[:] = 0
    nobody = by_lanes(arriving(model, 0.05), left, WEST_END, 20)
    assert not any(one.kinds.any() for one in nobody)


def test_who_arrives_takes_the_way_on_which_there_was_room(model: ActorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(*args, **named):
        asked.append(args[5].copy())
        return find_courses(*args, **named)

    monkeypatch.setattr("worldsim.actors.arrivals.find_courses", spy)
    who = actors(actor(-40, -2, speed=0.0))
    who.traits[..., TraitColumn.ID], who.traits[0, 0, TraitColumn.WAY] = 3.0, 77.0
    first = next(one for one in by_lanes(arriving(model, 0.02), who, WEST_END, 40) if (one.kinds > 0).sum() == 2)
    (slot,) = np.flatnonzero((first.kinds[0] > 0) & (who.kinds[0] == 0))
    assert asked[-1][0] == 77.0
    assert first.traits[0, slot, TraitColumn.WAY] == asked[-1][slot]


def test_places_to_arrive_are_far_enough_in_view_and_lead_on() -> None:
    lanes = LaneGraph.of(tee())
    ego = np.array([-25.0, -2.0, 0.0, 0.0, 0.0, 0.0])
    found, _ = lane_places(lanes, ego)
    points = lanes.points[found]
    assert len(found)
    offset = points[:, :2] - ego[:2]
    distance = np.hypot(*offset.T)
    in_view = np.abs(np.arctan2(offset[:, 1], offset[:, 0])) < VIEW_ANGLE
    assert (distance[in_view] >= IN_VIEW).all()
    assert (distance >= OUT_OF_VIEW).all()
    assert (distance <= LEAVE_RANGE).all()
    assert not lanes.in_junction[lanes.point_lanes[found]].any()
    # not right before the junction, nor where a lane soon ends
    into = lanes.point_lanes[found] == 2
    assert (points[into, 1] < -10 - BEFORE_JUNCTION + 2).all()
    assert not (lanes.point_lanes[found] == 1).any()


def test_pedestrians_come_beside_the_route_until_there_are_as_many_as_recorded(model: ActorModel) -> None:
    who = actors(actor(-40, -2, speed=0.0))
    found = by_lanes(arriving(model, 0.0, 0.01), who, WEST_END, 20)
    assert (found[-1].kinds == 3).sum() == 1
    assert (found[-1].kinds == 1).sum() == 1
    on_road = arriving(model, 0.0, 0.01)
    on_road.arrivals[1, ArrivalColumn.LATERAL] = 4.0  # where a narrower road has its kerb
    assert (by_lanes(on_road, who, WEST_END, 20)[-1].kinds != 3).all()


def test_drivers_keep_the_habits_that_are_drawn_when_they_are_first_met(model: ActorModel) -> None:
    who = actors(*[actor(10.0 * k, 0) for k in range(1, 6)])
    who.traits[..., HABITS] = np.nan
    paces = []
    for seed in range(40):
        met = step(model, who, straight(), seed=seed)
        later = step(model, met, straight(), seed=seed + 1000)
        np.testing.assert_array_equal(met.traits[0, :5, HABITS], later.traits[0, :5, HABITS])
        paces.append(met.traits[0, :5, HABITS][:, HabitColumn.PACE])
    assert np.isfinite(paces).all()
    assert np.std(paces) > 0.02
    first = step(model, who, straight(), seed=3)
    np.testing.assert_array_equal(first.traits, step(model, who, straight(), seed=3).traits)


def test_drivers_choose_their_way_by_the_seed_of_the_drive(model: ActorModel) -> None:
    lanes, ego = LaneGraph.of(tee()), np.array([[-30.0, -30.0, 0.0, 0.0, 0.0, 0.0]])
    who = actors(actor(2.3, -14, yaw=np.pi / 2, speed=6.0))
    who.traits[..., TraitColumn.WAY] = np.nan
    turns = set()
    for seed in range(12):
        one = who
        for k in range(25):
            streets = [Streets(lanes, None, 0.0)]
            one = replace_weights(model, 0.5).step(one, ego, straight(), ego, 0.1, [(seed, k)], streets=streets)
        turns.add(round(float(np.cos(one.states[0, 0, 2]))))
    assert turns == {-1, 1}


def test_drivers_mind_the_limit_of_their_lane_and_the_egos_where_that_is_unknown() -> None:
    who, line = actors(actor(20.0, 0.0), actor(40.0, 0.0)), straight()
    in_ego_frame = who.in_ego_frame(EGO)
    own = free_courses(who.kinds.shape)
    own[0, 0, CourseColumn.SPEED_LIMIT] = 8.0
    limit = SeenColumn.LIMIT
    for of_ego, expected in ((14.0, (8.0, 14.0)), (np.nan, (8.0, 0.0))):
        seen = actor_features(
            in_ego_frame, who.kinds, to_frenet(line, in_ego_frame), np.array([5.0]), own, np.array([of_ego])
        )
        assert SPEED_UNIT * seen[0, :2, limit] == pytest.approx(expected)
