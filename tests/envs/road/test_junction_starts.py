"""Starts before junctions in the reference world: a scripted light, a partner on a path of its own, several towns."""

import numpy as np
import pytest

from envs.maps.junction_search import JunctionAhead
from envs.maps.towns.special_places import merge_xodr
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ScriptedActors
from scenarios.actors import PassingCar
from worldsim.datatypes.scene import ObjectColumn, RouteCommand
from worldsim.datatypes.signals import SignalKind

SMALL = RoadWorldConfig(frame_size=(48, 48))
COAST = np.zeros(4, np.float32)
TOWN, SPEED, OTHER = 3, 8.0, 7.0
CROSSING = ScriptedActors(
    scripts=(),
    partners=(PassingCar(before=OTHER * 3.7, speed=OTHER),),
    ego_speed=SPEED,
    junction=JunctionAhead(distance=40.0, partner="left", partner_distance=30.0),
)


@pytest.fixture(scope="module")
def world():
    return RoadWorld(SMALL)


@pytest.mark.parametrize("green_ends", [0.5, -1.0])
def test_the_light_ahead_turns_yellow_when_it_is_asked_to(world, green_ends):
    junction = JunctionAhead(distance=50.0, controls=("light",), green_ends=green_ends)
    step = world.reset(
        4, {"town": TOWN, "scripted_actors": ScriptedActors(scripts=(), ego_speed=5.0, junction=junction)}
    )
    ahead = world.config.vehicle.length / 2 + 5.0 * 0.7
    assert step.scene.signal_distance == pytest.approx(50.0 - ahead, abs=0.3)
    shown = [int(step.scene.signal)] + [int(world.step(COAST).scene.signal) for _ in range(9)]
    green = [SignalKind.GREEN] * 5 if green_ends > 0 else []
    assert shown == [*green, *[SignalKind.YELLOW] * (10 - len(green))]


def test_the_partner_drives_along_its_path_and_is_there_in_time(world):
    world.reset(1, {"town": TOWN, "scripted_actors": CROSSING})
    path = world.start_clip().partner_path
    for _ in range(30):
        world.step(COAST)
    (box,) = world.objects.boxes
    assert np.hypot(*(box[:2] - path.points[round(path.meeting)])) < 0.7, "3 s after 0 it is where the paths meet"
    assert world.objects.speeds.tolist() == [OTHER]


def test_a_snapshot_with_a_partner_is_exact(world):
    world.reset(1, {"town": TOWN, "scripted_actors": CROSSING})
    packed = world.codec.pack(world.snapshot())
    once = [world.step(COAST).scene for _ in range(5)]
    world.restore(world.codec.unpack(packed))
    assert [world.step(COAST).scene for _ in range(5)] == once


def test_a_start_without_room_moves_on_to_the_next_town(world):
    without, having = 2, TOWN  # stop signs
    junction = JunctionAhead(distance=30.0, turns=tuple(RouteCommand), controls=("stop",))
    actors = ScriptedActors(scripts=(), ego_speed=5.0, junction=junction)
    step = world.reset(2, {"town": (without, having), "scripted_actors": actors})
    assert step.info["town"] == having
    alone = world.reset(2, {"town": having, "scripted_actors": actors})
    assert np.array_equal(step.vehicle, alone.vehicle)
    with pytest.raises(ValueError, match=f"map town {without}: no start before a junction ruled by stop"):
        world.reset(2, {"town": without, "scripted_actors": actors})
    with pytest.raises(ValueError, match=r"town must be the seed .* got an empty sequence"):
        world.reset(2, {"town": ()})


def test_a_map_of_ones_own_is_searched_too(world):
    step = world.reset(
        0,
        {
            "map": merge_xodr(2),
            "scripted_actors": ScriptedActors(
                scripts=(), ego_speed=5.0, junction=JunctionAhead(distance=30.0, partner="beside")
            ),
        },
    )
    assert step.info["town"] == -1
    assert step.scene.objects[0, ObjectColumn.SPEED] == 0.0, "nobody was asked for"


def test_what_contradicts_itself_is_refused(world):
    with pytest.raises(ValueError, match="give start_pose or scripted_actors with a junction"):
        world.reset(0, {"town": TOWN, "scripted_actors": CROSSING, "start_pose": (0.0, 0.0, 0.0)})
    with pytest.raises(ValueError, match="give straight or junction, not both, got 30 m"):
        ScriptedActors(scripts=(), straight=30, junction=JunctionAhead(distance=30.0))
    with pytest.raises(ValueError, match="1 partners need a junction that says where they come from"):
        ScriptedActors(scripts=(), partners=CROSSING.partners)
