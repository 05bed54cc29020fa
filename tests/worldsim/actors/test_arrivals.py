"""Who arrives: after whom, where, how many, and where nobody may."""

import math

import numpy as np
import pytest
import torch
from lane_layouts import tee
from placed_actors import actor, actors, by_lanes, small_actor_model, steady_model, step, straight, turning

from worldsim.actors.actor_model import ActorModel
from worldsim.actors.actors import TraitColumn
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
from worldsim.actors.courses import find_courses
from worldsim.actors.lane_graph import LaneGraph, Streets
from worldsim.actors.route_frame import to_frenet


@pytest.fixture
def model() -> ActorModel:
    return small_actor_model()


def arriving(drivers: float, pedestrians: float = 0.0) -> ActorModel:
    """A model of recordings with so many cars and pedestrians per metre of lane."""
    steady = steady_model(0.0)
    steady.arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    steady.arrivals[1] = torch.tensor([40.0, -4.0, 0.0, 1.2, 0.6, 0.6, 3.0, 0.1, 0.2, 0.3])
    steady.densities[:] = torch.tensor([drivers, pedestrians])
    return steady


WEST_END = np.array([[-58.0, -2.0, 0.0, 0.0, 0.0, 0.0]])


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


def test_nobody_arrives_on_top_of_another_or_where_places_were_free_from_the_start(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 6.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    model.arrivals.copy_(arrivals)
    after = step(model, actors(actor(41, 0), actor(-26, 0)), straight())
    assert (after.kinds > 0).sum() == 1
    assert after.vacant.sum() == 1


def test_nobody_arrives_where_the_one_behind_could_not_brake(model: ActorModel) -> None:
    arrivals = torch.zeros(4, len(ARRIVAL_NAMES))
    arrivals[0] = torch.tensor([40.0, 0.0, 0.0, 10.0, 4.4, 1.8, 1.0, 0.1, 0.2, 0.3])
    model.arrivals.copy_(arrivals)
    for ahead, comes in ((12.0, False), (30.0, True)):
        after = step(model, actors(actor(40.0 + ahead, 0, speed=0.0), actor(-26, 0)), straight())
        assert (after.kinds[0, 1] > 0) == comes


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


def test_vehicles_come_on_any_lane_that_leads_on_until_traffic_is_as_dense_as_recorded() -> None:
    lanes = LaneGraph.of(tee())
    _, length = lane_places(lanes, WEST_END[0])
    assert length == pytest.approx(242, abs=10)  # up to 58 m, and all of the stem
    who = actors(actor(-40, -2, speed=0.0))
    who.vacant[0, 1:] = False
    alone = by_lanes(arriving(0.9 / length), who, WEST_END, 20)
    assert max((one.kinds > 0).sum() for one in alone) == 1
    found = by_lanes(arriving(3.0 / length), who, WEST_END, 20)
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
    nobody = by_lanes(arriving(0.05), left, WEST_END, 20)
    assert not any(one.kinds.any() for one in nobody)


def test_who_arrives_takes_the_way_on_which_there_was_room(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(*args, **named):
        asked.append(args[5].copy())
        return find_courses(*args, **named)

    monkeypatch.setattr("worldsim.actors.arrivals.find_courses", spy)
    who = actors(actor(-40, -2, speed=0.0))
    who.traits[..., TraitColumn.ID], who.traits[0, 0, TraitColumn.WAY] = 3.0, 77.0
    first = next(one for one in by_lanes(arriving(0.02), who, WEST_END, 40) if (one.kinds > 0).sum() == 2)
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


def test_pedestrians_come_beside_the_route_until_there_are_as_many_as_recorded() -> None:
    who = actors(actor(-40, -2, speed=0.0))
    found = by_lanes(arriving(0.0, 0.01), who, WEST_END, 20)
    assert (found[-1].kinds == 3).sum() == 1
    assert (found[-1].kinds == 1).sum() == 1
    on_road = arriving(0.0, 0.01)
    on_road.arrivals[1, ArrivalColumn.LATERAL] = 4.0  # where a narrower road has its kerb
    assert (by_lanes(on_road, who, WEST_END, 20)[-1].kinds != 3).all()


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
