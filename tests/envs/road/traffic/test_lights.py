"""Programs of traffic lights: of procedural towns as they are, and with lights taken away, added or contradicting."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from small_maps import through_junction

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.opendrive.signals import Signal
from envs.maps.road_map import RoadMap, load_map, load_town
from envs.road.traffic.lights import LightPrograms
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.signals import LightCycleColumn, SignalKind


def with_signals(road_map: RoadMap, signals) -> RoadMap:
    """The same map with other signals."""
    other = object.__new__(RoadMap)
    vars(other).update(vars(road_map))
    other.signals = tuple(signals)
    return other


def lights_of(road_map: RoadMap) -> list[Signal]:
    return [signal for signal in road_map.signals if signal.kind == SignalType.TRAFFIC_LIGHT]


def crossing_greens(road_map: RoadMap, programs: LightPrograms) -> list[tuple[str, str, float]]:
    """Pairs of lights that are green or yellow at once although straight traffic of both crosses at a right angle."""
    found = []
    lights = [(i, s) for i, s in enumerate(road_map.signals) if s.kind == SignalType.TRAFFIC_LIGHT and s.stops]
    for time in np.arange(0.0, 240.0, 0.5):
        shown = programs.shown(time)
        moving = [(i, s) for i, s in lights if shown[i] in (SignalKind.GREEN, SignalKind.YELLOW)]
        for k, (_, a) in enumerate(moving):
            for _, b in moving[:k]:
                lanes = [road_map.lanes[s.stops[0][0]] for s in (a, b)]
                apart = np.hypot(*(lanes[0].points[-1] - lanes[1].points[-1]))
                turn = abs(wrap_angle(lanes[0].yaw[-1] - lanes[1].yaw[-1]))
                if a.junction == b.junction and apart < 60 and np.pi / 4 < turn < 3 * np.pi / 4:
                    found.append((a.id, b.id, time))
    return found


@pytest.fixture(scope="module")
def town() -> RoadMap:
    return next(town for town in map(load_town, range(8)) if len(lights_of(town)) >= 4)


@pytest.mark.parametrize("seed", range(4))
def test_cycles_are_realistic_and_never_let_crossing_traffic_go_at_once(seed):
    road_map = load_town(seed)
    programs = LightPrograms.of(road_map, seed)
    period, offset, green, yellow = programs.cycles.T
    assert ((green >= 8) & (green <= 20)).all()
    assert np.isin(yellow, (3, 4, 5)).all()
    assert ((period > green + yellow) & (period < 90)).all()
    assert ((offset >= 0) & (offset < period)).all()
    for signal, group in zip(road_map.signals, programs.groups, strict=True):
        assert (group >= 0) == (signal.kind == SignalType.TRAFFIC_LIGHT)
    assert crossing_greens(road_map, programs) == []


def test_every_light_turns_green_yellow_and_red(town):
    programs = LightPrograms.of(town, 0)
    shown = np.stack([programs.shown(time) for time in np.arange(0, 120, 0.5)])
    lights = programs.groups >= 0
    for kind in (SignalKind.GREEN, SignalKind.YELLOW, SignalKind.RED):
        assert (shown[:, lights] == kind).any(axis=0).all()
    assert np.isin(shown[:, ~lights], (SignalKind.NONE, SignalKind.STOP, SignalKind.YIELD)).all()


def test_all_lights_of_a_junction_are_red_between_two_phases(town):
    programs = LightPrograms.of(town, 0)
    junction = lights_of(town)[0].junction
    members = [i for i, s in enumerate(town.signals) if s.kind == SignalType.TRAFFIC_LIGHT and s.junction == junction]
    shown = np.stack([programs.shown(time)[members] for time in np.arange(0, 100, 0.05)])
    all_red = (shown == SignalKind.RED).all(axis=1)
    begins = np.flatnonzero(np.diff(all_red.astype(int)) == 1)
    ends = np.flatnonzero(np.diff(all_red.astype(int)) == -1)
    ends = ends[ends > begins[0]]
    lengths = 0.05 * (ends - begins[: len(ends)])
    assert ((lengths > 0.9) & (lengths < 2.1)).all()


def test_a_junction_is_begun_such_that_a_light_turns_yellow_in_time(town):
    programs = LightPrograms.of(town, 0)
    for index, signal in enumerate(lights_of(town)):
        light = town.signals.index(signal)
        moved = programs.ending_green(town, light, 3.0)
        assert [moved.shown(time)[light] for time in (2.9, 3.1)] == [SignalKind.GREEN, SignalKind.YELLOW]
        assert crossing_greens(town, moved) == [] or index > 1
        lengths = [LightCycleColumn.PERIOD, LightCycleColumn.GREEN, LightCycleColumn.YELLOW]
        assert np.array_equal(moved.cycles[:, lengths], programs.cycles[:, lengths])


def test_a_seed_moves_the_beginning_of_the_cycles_only(town):
    one, other = LightPrograms.of(town, 1), LightPrograms.of(town, 2)
    columns = [LightCycleColumn.PERIOD, LightCycleColumn.GREEN, LightCycleColumn.YELLOW]
    assert np.array_equal(one.cycles[:, columns], other.cycles[:, columns])
    assert not np.allclose(one.cycles[:, LightCycleColumn.OFFSET], other.cycles[:, LightCycleColumn.OFFSET])
    assert np.array_equal(LightPrograms.of(load_town(0), 1).cycles, LightPrograms.of(load_town(0), 1).cycles)


def test_lights_without_controllers_are_grouped_by_what_crosses(town):
    alone = with_signals(town, [replace(s, controller="") for s in town.signals])
    programs = LightPrograms.of(alone, 0)
    assert crossing_greens(alone, programs) == []
    lights = [i for i, s in enumerate(alone.signals) if s.kind == SignalType.TRAFFIC_LIGHT]
    assert (programs.groups[lights] >= 0).all()


def test_a_controller_whose_lights_contradict_is_not_believed(town):
    one = with_signals(town, [replace(s, controller="all") for s in town.signals])
    assert crossing_greens(one, LightPrograms.of(one, 0)) == []


def test_a_single_light_is_not_red_for_ever_and_lets_others_go(town):
    first = lights_of(town)[0]
    single = with_signals(town, [first])
    programs = LightPrograms.of(single, 0)
    shown = [int(programs.shown(time)[0]) for time in np.arange(0, 120, 0.5)]
    assert 0.2 < np.mean(np.array(shown) == SignalKind.GREEN) < 0.9


def test_lights_that_stop_no_lane_or_belong_to_no_junction(town):
    first, *rest = lights_of(town)
    unplaced = with_signals(town, [replace(first, stops=()), *rest])
    programs = LightPrograms.of(unplaced, 0)
    assert (programs.groups >= 0).all()
    assert crossing_greens(unplaced, programs) == []

    key = next(key for key, lane in town.lanes.items() if lane.junction < 0 and lane.length > 90)
    midblock = with_signals(town, [replace(first, stops=((key, 20.0),), junction=-1, controller="")])
    shown = {int(LightPrograms.of(midblock, 0).shown(time)[0]) for time in np.arange(0, 60, 0.5)}
    assert shown == {SignalKind.GREEN, SignalKind.YELLOW, SignalKind.RED}


def test_a_map_without_lights_has_no_cycles(town):
    programs = LightPrograms.of(with_signals(town, []), 0)
    assert programs.cycles.shape == (0, 4)
    assert programs.shown(3.0).shape == (0,)


def test_the_programs_of_many_maps_do_not_keep_all_of_them_in_memory():
    maps = []
    for seed in range(12):
        road_map = load_map(through_junction())
        LightPrograms.of(road_map, seed)
        maps.append(weakref.ref(road_map))
        del road_map
    gc.collect()
    assert sum(road_map() is not None for road_map in maps) <= 8
