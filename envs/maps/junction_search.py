"""Starts before a junction: where the ego's route goes over it as asked for, and crosses another's path. numpy only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT, TURN_ANGLE, Lane, LaneKey
from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import LanePoint, RoadMap
from envs.maps.route import Route
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

Control = Literal["light", "stop", "yield", "none"]
"""What counts for the ego where it enters: a light, a sign, or nothing."""
Side = Literal["left", "right", "oncoming", "beside"]
"""Where the other road user comes from, as the ego sees it before the junction; from beside it merges."""
CONFLICT_DISTANCE = 1.5
"""Paths whose centrelines come nearer than this cross or merge [m]."""
PARTNER_BEFORE, PARTNER_AFTER = 160.0, 80.0
"""How long the other's path is before and after it meets the ego's, where the roads are long enough [m]."""
CIRCLE = 250.0
"""The lanes of a roundabout lead back to where they begin within this distance [m]."""
_SIDES: dict[Side, float] = {"left": -np.pi / 2, "right": np.pi / 2, "oncoming": np.pi, "beside": 0.0}
_SIDE_TOLERANCE = np.radians(40.0)
_CONTROLS: dict[SignalType, Control] = {
    SignalType.TRAFFIC_LIGHT: "light",
    SignalType.STOP: "stop",
    SignalType.YIELD: "yield",
}


@dataclass(frozen=True, kw_only=True)
class JunctionAhead:
    """What a start before a junction must be like.

    Args:
        distance: from the ego's centre along its route to where the two paths meet or, without another road user, to
            the stop line, or to the junction where there is none [m].
        turns: what the ego's route may do at the junction.
        controls: what may count for the ego there.
        partner: where the other road user comes from; None for nobody.
        partner_turns: what that one may do at the junction.
        partner_distance: least length of its path before the two meet [m].
        roundabout: the junction is an entry of one, where the other comes round.
        beyond: route that goes on after the junction without another one [m].
        green_ends: of the ego's light, the time on the scripts' clock at which it turns yellow [s]; None leaves it.

    Raises:
        ValueError: a distance is not positive, or the time is for no light.
    """

    distance: float
    turns: tuple[RouteCommand, ...] = (RouteCommand.STRAIGHT,)
    controls: tuple[Control, ...] = ("light", "stop", "yield", "none")
    partner: Side | None = None
    partner_turns: tuple[RouteCommand, ...] = (RouteCommand.STRAIGHT,)
    partner_distance: float = 0.0
    roundabout: bool = False
    beyond: float = 25.0
    green_ends: float | None = None

    def __post_init__(self) -> None:
        if not self.distance > 0:
            raise ValueError(f"distance to the junction must be positive, got {self.distance}")
        if self.green_ends is not None and "light" not in self.controls:
            raise ValueError(f"green_ends is for a light, got controls {', '.join(self.controls)}")

    def __str__(self) -> str:
        turns = " or ".join(turn.name.lower() for turn in self.turns)
        meets, kind = "", "roundabout" if self.roundabout else "junction"
        if self.partner is not None:
            others = " or ".join(turn.name.lower() for turn in self.partner_turns)
            meets = f" that crosses the path of one who comes from the {self.partner} and goes {others}"
            meets = meets.replace("from the oncoming", "the other way")
        return (
            f"a {kind} ruled by {' or '.join(self.controls)} with a way {turns}{meets}, {self.distance:.0f} m of "
            f"lane before it and {self.beyond:.0f} m after it"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JunctionStart:
    """A start before a junction.

    Args:
        lane: where the ego starts.
        via: the lanes that its route takes from there, that lane first.
        light: the light that counts for the ego, index into RoadMap.signals, -1 for none.
        partner: the path of the other road user; None for nobody.
        meeting: arc length on that path at which the two meet [m].
    """

    lane: LanePoint
    via: tuple[LaneKey, ...]
    light: int
    partner: Route | None
    meeting: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Passage:
    """A way over a junction.

    Args:
        entry: the lane it comes from.
        inside: the junction's lanes that it takes.
        exit: the lane it leaves by.
        turn: LEFT, RIGHT or STRAIGHT.
        control: what counts where it enters.
        stop: arc length of the stop line on the entry lane; its length where there is none [m].
        light: index into RoadMap.signals, -1 for none.
    """

    entry: Lane
    inside: tuple[Lane, ...]
    exit: Lane
    turn: RouteCommand
    control: Control
    stop: float
    light: int

    @property
    def line(self) -> np.ndarray:
        """Centreline within the junction with its heights, [n, 3]."""
        return np.concatenate([np.column_stack([lane.points, lane.z]) for lane in self.inside])

    @property
    def heading(self) -> float:
        """Where it enters [rad]."""
        return float(self.entry.yaw[-1])


def find_junction_start(road_map: RoadMap, wanted: JunctionAhead, rng: np.random.Generator) -> JunctionStart:
    """A start that is as wanted, each way over a junction that allows for one equally likely.

    Raises:
        ValueError: the map has none; says what is needed and what it lacks.
    """
    search = _Search(road_map)
    lacks: Counter[str] = Counter()
    ways = [way for way in search.passages() if way.turn in wanted.turns and way.control in wanted.controls]
    for k in rng.permutation(len(ways)).tolist():
        found = search.start_before(ways[k], wanted, rng, lacks)
        if found is not None:
            return found
    missing = ", ".join(f"{number} without {what}" for what, number in lacks.most_common())
    raise ValueError(
        f"map {road_map.name}: no start before {wanted}; of {len(ways)} ways over junctions of that kind "
        f"{missing or 'none is there'}"
    )


class _Search:
    """The lanes of a map, forwards and backwards."""

    def __init__(self, road_map: RoadMap) -> None:
        self._map, self._lanes = road_map, road_map.lanes
        self._before: defaultdict[LaneKey, list[Lane]] = defaultdict(list)
        for key in road_map.lane_keys:
            for onward in self._lanes[key].successors:
                self._before[onward].append(self._lanes[key])
        self._passages = [way for key in road_map.lane_keys for way in self._passages_from(self._lanes[key])]

    def passages(self) -> list[_Passage]:
        return self._passages

    def _passages_from(self, entry: Lane) -> Iterator[_Passage]:
        if entry.junction >= 0:
            return
        control, stop, light = self._control(entry)
        for inside, exit_lane in self._ways_over(entry):
            turn = float(wrap_angle(inside[-1].yaw[-1] - inside[0].yaw[0]))
            command = RouteCommand.STRAIGHT
            if abs(turn) > TURN_ANGLE:
                command = RouteCommand.LEFT if turn > 0 else RouteCommand.RIGHT
            yield _Passage(
                entry=entry, inside=inside, exit=exit_lane, turn=command, control=control, stop=stop, light=light
            )

    def _ways_over(self, entry: Lane) -> Iterator[tuple[tuple[Lane, ...], Lane]]:
        """The junction's lanes after a lane, and the lane beyond the junction."""
        frontier: list[tuple[Lane, ...]] = [(lane,) for lane in self._onward(entry) if lane.junction >= 0]
        while frontier:
            inside = frontier.pop()
            for lane in self._onward(inside[-1]):
                if lane.junction < 0:
                    yield inside, lane
                elif lane.junction == inside[0].junction and lane not in inside:
                    frontier.append((*inside, lane))

    def _onward(self, lane: Lane) -> list[Lane]:
        return [self._lanes[key] for key in lane.successors if key in self._lanes]

    def _control(self, entry: Lane) -> tuple[Control, float, int]:
        """What counts at the end of a lane, its stop line and, of a light, its index; a light overrules signs."""
        found = [(s, index) for s, index in self._map.stops_on(entry.key) if s > entry.length / 2]
        lights = [stop for stop in found if self._map.signals[stop[1]].kind == SignalType.TRAFFIC_LIGHT]
        for s, index in sorted(lights or found, reverse=True):
            control = _CONTROLS[self._map.signals[index].kind]
            return control, s, index if control == "light" else -1
        return "none", entry.length, -1

    def start_before(
        self, way: _Passage, wanted: JunctionAhead, rng: np.random.Generator, lacks: Counter[str]
    ) -> JunctionStart | None:
        """A start before a way over a junction; None, and what is lacking, where there is no room for one."""
        if way.exit.length < wanted.beyond:
            lacks["room after it"] += 1
            return None
        others = [None] if wanted.partner is None else self._partners(way, wanted)
        if not others:
            lacks["a path that crosses"] += 1
        for k in rng.permutation(len(others)).tolist():
            other = others[k]
            meets = way.stop if other is None else way.entry.length + _first_conflict(way, other)[0]
            chain, start = self._walk_back(way.entry, meets - wanted.distance, over_junctions=False)
            if start < 0:
                lacks[f"{wanted.distance:.0f} m of lane before it"] += 1
                continue
            partner, meeting = (None, 0.0) if other is None else self._path_over(other, _first_conflict(way, other)[1])
            if other is not None and meeting < wanted.partner_distance:
                lacks[f"{wanted.partner_distance:.0f} m of lane for the other"] += 1
                continue
            via = (*chain, *way.inside, way.exit)
            return JunctionStart(
                lane=self._map.point_on(chain[0].key, start),
                via=tuple(lane.key for lane in via),
                light=way.light,
                partner=partner,
                meeting=meeting,
            )
        return None

    def _partners(self, way: _Passage, wanted: JunctionAhead) -> list[_Passage]:
        """The ways over the same junction that are wanted of the other and cross this one."""
        assert wanted.partner is not None
        angle = _SIDES[wanted.partner]
        return [
            other
            for other in self._passages
            if other.inside[0].junction == way.inside[0].junction
            and other.entry is not way.entry
            and other.turn in wanted.partner_turns
            and abs(wrap_angle(other.heading - way.heading - angle)) < _SIDE_TOLERANCE
            and np.isfinite(_first_conflict(way, other)[0])
            and (not wanted.roundabout or self._leads_to(way.exit, other.entry))
        ]

    def _leads_to(self, lane: Lane, goal: Lane) -> bool:
        """Whether lanes lead from the beginning of one to that of another within CIRCLE."""
        reached = {lane.key: 0.0}
        frontier = [lane]
        while frontier:
            at = frontier.pop()
            end = reached[at.key] + at.length
            for onward in self._onward(at) if end < CIRCLE else ():
                if onward is goal:
                    return True
                if end < reached.get(onward.key, np.inf):
                    reached[onward.key] = end
                    frontier.append(onward)
        return lane is goal

    def _walk_back(self, lane: Lane, s: float, *, over_junctions: bool) -> tuple[list[Lane], float]:
        """The lanes to `lane` from a place `s` [m] on it, and the place on the first of them; `s` is negative where it
        lies before the lane, and stays so where the road does not reach back so far."""
        chain = [lane]
        while s < 0:
            before = [each for each in self._before[chain[0].key] if each not in chain]
            if not over_junctions:
                before = [each for each in before if each.junction < 0]
            if not before:
                break
            chain.insert(0, min(before, key=lambda each: abs(float(wrap_angle(each.yaw[-1] - each.yaw[0])))))
            s += chain[0].length
        return chain, s

    def _path_over(self, way: _Passage, conflict: float) -> tuple[Route, float]:
        """The path over a junction, and the arc length on it of a place `conflict` [m] beyond the entry's end."""
        chain, start = self._walk_back(way.entry, way.entry.length + conflict - PARTNER_BEFORE, over_junctions=True)
        start = max(start, 0.0)
        meeting = sum(lane.length for lane in chain) - start + conflict
        via = [*chain, *way.inside, way.exit]
        while sum(lane.length for lane in via) - start < meeting + PARTNER_AFTER:
            onward = [lane for lane in self._onward(via[-1]) if lane not in via]
            if not onward:
                break
            via.append(min(onward, key=lambda each: abs(float(wrap_angle(each.yaw[-1] - each.yaw[0])))))
        point = self._map.point_on(chain[0].key, start)
        route = self._map.route_via(point, [lane.key for lane in via], meeting + PARTNER_AFTER)
        return route, float(meeting)


def _first_conflict(way: _Passage, other: _Passage) -> tuple[float, float]:
    """How far into the junction two ways over it first come closer than CONFLICT_DISTANCE, on either [m]; infinite
    where they do not."""
    a, b = way.line, other.line
    apart = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    apart[np.abs(a[:, None, 2] - b[None, :, 2]) > LEVEL_HEIGHT] = np.inf
    near = apart.min(1) < CONFLICT_DISTANCE
    if not near.any():
        return np.inf, np.inf
    first = int(near.argmax())
    arcs = [np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))]) for line in (a, b)]
    return float(arcs[0][first]), float(arcs[1][int(apart[first].argmin())])
