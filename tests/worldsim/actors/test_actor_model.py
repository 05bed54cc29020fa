"""How others move: a step of the model, lanes, lights, habits, ways."""

import math

import numpy as np
import pytest
from lane_layouts import tee
from placed_actors import actor, actors, small_actor_model, steady_model, step, straight

from worldsim.actors.actor_model import ActorModel
from worldsim.actors.actors import ACTOR_NAMES, HABITS, Actors, TraitColumn
from worldsim.actors.driver_habits import HabitColumn
from worldsim.actors.lane_graph import LaneGraph, Streets
from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, RouteFrame


@pytest.fixture
def model() -> ActorModel:
    return small_actor_model()


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


def test_a_driver_who_waits_starts_by_chance_and_the_parked_never(model: ActorModel) -> None:
    who = actors(actor(20, 0, speed=0.0), actor(25, -4.0, speed=0.0, drives=0.0))
    speeds = np.stack([step(model, who, straight(), seed=k).states[0, :2, 3] for k in range(200)])
    assert 0 < (speeds[:, 0] > 0).mean() < 1
    assert not speeds[:, 1].any()


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


def test_vehicles_turn_with_their_lane_and_stop_at_a_red_light_until_it_is_green() -> None:
    model = steady_model(0.5)
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


def test_drivers_choose_their_way_by_the_seed_of_the_drive() -> None:
    lanes, ego = LaneGraph.of(tee()), np.array([[-30.0, -30.0, 0.0, 0.0, 0.0, 0.0]])
    who = actors(actor(2.3, -14, yaw=np.pi / 2, speed=6.0))
    who.traits[..., TraitColumn.WAY] = np.nan
    turns = set()
    for seed in range(12):
        one = who
        for k in range(25):
            streets = [Streets(lanes, None, 0.0)]
            one = steady_model(0.5).step(one, ego, straight(), ego, 0.1, [(seed, k)], streets=streets)
        turns.add(round(float(np.cos(one.states[0, 0, 2]))))
    assert turns == {-1, 1}
