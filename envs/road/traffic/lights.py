"""Programs of traffic lights: which switch together, in which order, for how long. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from envs.maps.geometry import TURN_ANGLE
from envs.maps.opendrive.signals import SignalType
from envs.road.traffic.right_of_way import are_oncoming, lanes_cross, turn_of
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, LightCycleColumn, SignalKind, light_states

if TYPE_CHECKING:
    from envs.maps.geometry import Lane, LaneKey
    from envs.maps.opendrive.signals import Signal
    from envs.maps.road_map import RoadMap

GREEN_RANGE = (8.0, 20.0)
"""Shortest and longest green [s]."""
GREEN_SHARE = 30.0
"""Greens of all phases of a junction together, as far as GREEN_RANGE lets [s]."""
YELLOW_OF_LIMIT = ((50.5 / 3.6, 3.0), (60.5 / 3.6, 4.0), (np.inf, 5.0))
"""Yellow [s] up to a speed limit [m/s], as in the German RiLSA."""
CLEARANCE_RANGE = (1.0, 2.0)
"""All lights are red this long between two phases; longer in large junctions [s]."""
CLEARANCE_SPEED = 10.0
"""Speed at which a junction is cleared [m/s]."""
LINE_REACH = 40.0
"""A stop line farther before a junction is not part of it [m]."""
IDLE_RED = 8.0
"""Red of a light that no other traffic needs, as for pedestrians [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LightPrograms:
    """The cycles of a map's traffic lights.

    Args:
        cycles: LIGHT_CYCLE_NAMES by group, float64 [g, 4] [s].
        groups: the group of each of RoadMap.signals, -1 for what is no light, int64 [num_signals].
        signs: SignalKind of each of RoadMap.signals: STOP, YIELD, or NONE for lights and all else, int64 [num_signals].
    """

    cycles: np.ndarray
    groups: np.ndarray
    signs: np.ndarray

    @staticmethod
    def of(road_map: RoadMap, seed: int) -> LightPrograms:
        """The programs of a map. Each junction's cycle begins at a time of its own, drawn from `seed`.

        Never are two groups of a junction green or yellow at once whose traffic crosses, but for turns across
        oncoming traffic, which give way. Every light turns green and red within each period.
        """
        static, junctions = _programs(road_map)
        draws = np.random.default_rng(seed).random(int(junctions.max(initial=-1)) + 1)
        cycles = static.cycles.copy()
        if len(cycles):
            period = cycles[:, LightCycleColumn.PERIOD]
            cycles[:, LightCycleColumn.OFFSET] = (
                cycles[:, LightCycleColumn.OFFSET] + draws[junctions] * period
            ) % period
        return LightPrograms(cycles=cycles, groups=static.groups, signs=static.signs)

    def ending_green(self, road_map: RoadMap, signal: int, time: float) -> LightPrograms:
        """The same programs, those of one junction begun such that a light of it turns yellow at `time` [s].

        Args:
            road_map: of these programs.
            signal: the light, index into RoadMap.signals.
            time: on the lights' clock [s].
        """
        junctions = _programs(road_map)[1]
        group = int(self.groups[signal])
        period, offset, green, _ = self.cycles[group].tolist()
        cycles, here = self.cycles.copy(), junctions == junctions[group]
        begins = cycles[here, LightCycleColumn.OFFSET] + (time - green - offset)
        cycles[here, LightCycleColumn.OFFSET] = begins % period
        return LightPrograms(cycles=cycles, groups=self.groups, signs=self.signs)

    def held(self, signal: int, kind: SignalKind) -> LightPrograms:
        """The same programs, the group of one light with the same state all the time.

        Args:
            signal: the light, index into RoadMap.signals.
            kind: RED, YELLOW or GREEN.
        """
        cycles = self.cycles.copy()
        cycle = cycles[int(self.groups[signal])]
        cycle[LightCycleColumn.OFFSET] = 0.0
        always = 2 * cycle[LightCycleColumn.PERIOD]  # what is left of a period may round up to it
        cycle[LightCycleColumn.GREEN] = always if kind == SignalKind.GREEN else 0.0
        cycle[LightCycleColumn.YELLOW] = always if kind == SignalKind.YELLOW else 0.0
        return LightPrograms(cycles=cycles, groups=self.groups, signs=self.signs)

    def shown(self, time: float) -> np.ndarray:
        """What each of RoadMap.signals shows at a time [s]: SignalKind, NONE if it is no control, int64 [signals]."""
        if not len(self.cycles):
            return self.signs
        states = light_states(self.cycles, time)
        return np.where(self.groups >= 0, states[self.groups], self.signs)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Lights that switch together.

    Args:
        signals: indices into RoadMap.signals.
        lanes: the junction lanes they open.
        lanes_in: the lanes they stop.
    """

    signals: tuple[int, ...]
    lanes: tuple[Lane, ...]
    lanes_in: tuple[Lane, ...]


@lru_cache(maxsize=8)
def _programs(road_map: RoadMap) -> tuple[LightPrograms, np.ndarray]:
    """Programs whose first phase begins at 0, and for each group the number of its junction."""
    groups = np.full(len(road_map.signals), -1, np.int64)
    cycles: list[np.ndarray] = []
    owners: list[int] = []
    for number, indices in enumerate(_lights_by_junction(road_map).values()):
        phases = _phases(_groups(road_map, indices))
        for phase, cycle in zip(phases, _times(phases), strict=True):
            for group in phase:
                groups[list(group.signals)] = len(cycles)
                cycles.append(cycle)
                owners.append(number)
    table = np.array(cycles, np.float64).reshape(-1, len(LIGHT_CYCLE_NAMES))
    kinds = {SignalType.STOP: SignalKind.STOP, SignalType.YIELD: SignalKind.YIELD}
    signs = np.array([kinds.get(signal.kind, SignalKind.NONE) for signal in road_map.signals], np.int64)
    return LightPrograms(cycles=table, groups=groups, signs=signs), np.array(owners, np.int64)


def _lights_by_junction(road_map: RoadMap) -> dict[tuple[int, str], list[int]]:
    """The lights of each junction; those of none by controller, or each on its own."""
    found: dict[tuple[int, str], list[int]] = {}
    for i, signal in enumerate(road_map.signals):
        if signal.kind != SignalType.TRAFFIC_LIGHT:
            continue
        junction = _junction_of(road_map, signal)
        alone = "" if junction >= 0 else signal.controller or f"signal {i}"
        found.setdefault((junction, alone), []).append(i)
    return found


def _junction_of(road_map: RoadMap, signal: Signal) -> int:
    """The junction a light belongs to by its lanes, else by what the map says."""
    for lane in _lanes_behind(road_map, signal):
        if lane.junction >= 0:
            return lane.junction
    return signal.junction


def _lanes_behind(road_map: RoadMap, signal: Signal) -> list[Lane]:
    """The lanes that a light opens: those after the lane with its stop line, or that lane itself where it goes on."""
    found: dict[LaneKey, Lane] = {}
    for key, s in signal.stops:
        lane = road_map.lanes[key]
        onward = [lane]
        if lane.junction < 0 and lane.length - s < LINE_REACH:
            onward = [road_map.lanes[k] for k in lane.successors if k in road_map.lanes]
        found |= {each.key: each for each in onward}
    return list(found.values())


def _groups(road_map: RoadMap, indices: list[int]) -> list[_Group]:
    """The lights of one junction in groups: by controller, and those without one by the road they stand at.

    A controller whose own lights contradict each other is not believed: its lights are grouped by road as well.
    """

    def group(members: list[int]) -> _Group:
        signals = [road_map.signals[i] for i in members]
        behind = {lane.key: lane for signal in signals for lane in _lanes_behind(road_map, signal)}
        stopped = {key: road_map.lanes[key] for signal in signals for key, _ in signal.stops}
        return _Group(signals=tuple(members), lanes=tuple(behind.values()), lanes_in=tuple(stopped.values()))

    def roads(members: list[int]) -> dict[tuple[int, int], list[int]]:
        found: dict[tuple[int, int], list[int]] = {}
        for i in members:
            stops = road_map.signals[i].stops
            found.setdefault(_direction(stops[0][0]) if stops else (-1, i), []).append(i)
        return found

    by_controller: dict[str, list[int]] = {}
    for i in indices:
        by_controller.setdefault(road_map.signals[i].controller, []).append(i)
    found: list[_Group] = []
    for controller, members in by_controller.items():
        apart = [group(each) for each in roads(members).values()]
        contradict = any(_contradict(a, b) for k, a in enumerate(apart) for b in apart[:k])
        found += [group(members)] if controller and not contradict else apart
    return _adopt_without_lanes(road_map, found)


def _direction(key: LaneKey) -> tuple[int, int]:
    """Road and side of it."""
    return key[0], 1 if key[2] > 0 else -1


def _adopt_without_lanes(road_map: RoadMap, groups: list[_Group]) -> list[_Group]:
    """Lights that stop no lane switch with those that face most nearly the same way."""
    with_lanes = [group for group in groups if group.lanes]
    if not with_lanes:
        return groups
    yaws = [road_map.signals[group.signals[0]].yaw for group in with_lanes]
    for group in groups:
        if not group.lanes:
            off = np.abs(wrap_angle(np.array(yaws) - road_map.signals[group.signals[0]].yaw))
            k = int(np.argmin(off))
            host = with_lanes[k]
            with_lanes[k] = _Group(signals=(*host.signals, *group.signals), lanes=host.lanes, lanes_in=host.lanes_in)
    return with_lanes


def _contradict(a: _Group, b: _Group) -> bool:
    """Whether the traffic of two groups crosses; turns across oncoming traffic give way and do not count."""
    for first in a.lanes:
        for second in b.lanes:
            if first.key == second.key or _same_beginning(first, second):
                continue
            turns = max(abs(turn_of(first)), abs(turn_of(second))) > TURN_ANGLE
            if not (are_oncoming(first, second) and turns) and lanes_cross(first, second):
                return True
    return False


def _same_beginning(a: Lane, b: Lane) -> bool:
    """Whether two junction lanes begin at the same lane, whose traffic is one queue."""
    return bool(np.hypot(*(a.points[0] - b.points[0])) < 1.0) and abs(float(wrap_angle(a.yaw[0] - b.yaw[0]))) < 0.5


def _phases(groups: list[_Group]) -> list[list[_Group]]:
    """Groups that may be green together, each in one phase: with oncoming traffic where that is possible."""
    phases: list[list[_Group]] = []
    for group in groups:
        fitting = [phase for phase in phases if not any(_contradict(group, other) for other in phase)]
        facing = [p for p in fitting if any(are_oncoming(a, b) for o in p for a in group.lanes for b in o.lanes)]
        if facing or fitting:
            (facing or fitting)[0].append(group)
        else:
            phases.append([group])
    return phases


def _times(phases: list[list[_Group]]) -> list[np.ndarray]:
    """LIGHT_CYCLE_NAMES of each phase of a junction; they follow one another, the first begins at 0."""
    greens = [_green(phase, len(phases)) for phase in phases]
    yellows = [_yellow(phase) for phase in phases]
    clearances = [_clearance(phase) if len(phases) > 1 else IDLE_RED for phase in phases]
    lengths = np.add(np.add(greens, yellows), clearances)
    begins = np.cumsum(lengths) - lengths
    return [np.array([lengths.sum(), b, g, y]) for b, g, y in zip(begins, greens, yellows, strict=True)]


def _green(phase: list[_Group], num_phases: int) -> float:
    """Longer where more lanes wait."""
    num_lanes = max((len(group.lanes_in) for group in phase), default=1)
    return float(np.clip(GREEN_SHARE / num_phases + 2.0 * (num_lanes - 1), *GREEN_RANGE))


def _yellow(phase: list[_Group]) -> float:
    limit = max((float(lane.speed_limit[-1]) for group in phase for lane in group.lanes_in), default=0.0)
    return next(yellow for highest, yellow in YELLOW_OF_LIMIT if limit < highest)


def _clearance(phase: list[_Group]) -> float:
    longest = max((lane.length for group in phase for lane in group.lanes), default=0.0)
    return float(np.clip(longest / CLEARANCE_SPEED, *CLEARANCE_RANGE))
