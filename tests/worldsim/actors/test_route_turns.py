"""Which junctions a route passes, and the command that a drive shows on the way to them."""

from dataclasses import replace

import numpy as np
import pytest
from lane_layouts import LEFT_OF_STEM, NORTHWARD, RIGHT_OF_STEM, STRAIGHT_ON, tee
from tiny_model import random_clip, random_model

from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from worldsim.actors.lane_graph import LaneGraph
from worldsim.actors.route_turns import find_turns
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.start_clip import StartClip
from worldsim.layouts.drive import COMMAND_RANGE

FOLLOW, LEFT, RIGHT, STRAIGHT = RouteCommand.FOLLOW, RouteCommand.LEFT, RouteCommand.RIGHT, RouteCommand.STRAIGHT
LANES = LaneGraph.of(tee())
EAST, WEST = 1, 5
"""Lanes out of the junction."""


def route_over(*lanes: int) -> np.ndarray:
    """A point every metre along lanes of the tee."""
    points = np.concatenate([LANES.points[LANES.starts[k] : LANES.starts[k + 1], :2] for k in lanes])
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0.0, arcs[-1])
    return np.stack([np.interp(at, arcs, points[:, k]) for k in range(2)], axis=-1)


@pytest.mark.parametrize(
    ("lanes", "command"),
    [
        ((NORTHWARD, LEFT_OF_STEM, WEST), LEFT),
        ((NORTHWARD, RIGHT_OF_STEM, EAST), RIGHT),
        ((0, STRAIGHT_ON, EAST), STRAIGHT),
    ],
)
def test_a_junction_begins_and_ends_where_its_lane_does(lanes: tuple[int, int, int], command: RouteCommand) -> None:
    ((begin, end, found),) = find_turns(route_over(*lanes), LANES)
    assert found == command
    assert begin == pytest.approx(50.0, abs=1.0)
    assert end == pytest.approx(50.0 + LANES.lengths[lanes[1]], abs=1.0)


def test_a_route_that_begins_or_ends_in_a_junction_is_in_it_and_one_beside_it_is_in_none() -> None:
    whole = route_over(NORTHWARD, LEFT_OF_STEM, WEST)
    ((begin, _, command),) = find_turns(whole[58:], LANES)
    assert command == LEFT
    assert begin == pytest.approx(-8.0, abs=1.5)
    ((begin, end, command),) = find_turns(whole[:62], LANES)
    assert command == LEFT
    assert (begin, end) == pytest.approx((50.0, 50.0 + LANES.lengths[LEFT_OF_STEM]), abs=1.5)
    assert not len(find_turns(route_over(NORTHWARD), LANES))
    assert not len(find_turns(whole - [0.0, 20.0], LANES))


def test_a_junction_that_is_passed_again_counts_again() -> None:
    first = route_over(NORTHWARD, LEFT_OF_STEM, WEST)
    back = np.linspace(first[-1], first[0], 150)[1:-1] + 12.0 * np.sin(np.linspace(0, np.pi, 148))[:, None] * [-1, -1]
    turns = find_turns(np.concatenate([first, back, first]), LANES)
    assert turns[:, 2].tolist() == [LEFT, LEFT]
    assert turns[1, 0] - turns[0, 0] > 150


def clip_on(lanes: tuple[int, ...], told: RouteCommand) -> StartClip:
    """A clip at the beginning of a route over lanes of the tee, which tells a command."""
    clip, route = random_clip(8), route_over(*lanes)
    vehicles = np.zeros((8, 6))
    vehicles[:, :2], vehicles[:, 2], vehicles[:, 3] = route[0], np.arctan2(*(route[1] - route[0])[::-1]), 8.0
    clip.scenes.command[:] = told
    points = to_vehicle_frame(vehicles[-1], route).astype(np.float32)
    lanes_told = np.full((len(route), 4), np.nan, np.float32)
    return replace(clip, vehicles=vehicles, route=points, lanes=lanes_told, layout=tee())


def test_the_learned_worlds_command_follows_the_route() -> None:
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model())
    world.reset(0, {"start_clip": clip_on((0, STRAIGHT_ON, EAST), FOLLOW)})
    steps = [world.step(np.array([0.0, 0.5, 0.0, 0.0], np.float32)) for _ in range(100)]
    told = {round(float(step.vehicle[0]) + 60): int(step.scene.command) for step in steps}
    assert max(told) > 72  # well beyond the junction, which is from 50 to 70 m
    for s, command in told.items():
        if min(abs(s - (50 - COMMAND_RANGE)), abs(s - 70)) > 1.5:
            assert command == (STRAIGHT if 50 - COMMAND_RANGE < s < 70 else FOLLOW), s


def test_without_lanes_the_command_of_the_start_stays() -> None:
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model())
    known = clip_on((0, STRAIGHT_ON, EAST), LEFT)
    world.reset(0, {"start_clip": replace(known, layout=random_clip(8).layout)})
    assert world.step(np.zeros(4, np.float32)).scene.command == LEFT
