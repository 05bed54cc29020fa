"""Shortest paths over the lanes of a map, with lane changes (Dijkstra)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from envs.maps.geometry import Lane, LaneKey

CHANGE_LENGTH = 20.0
"""A change to the next lane takes this much of the road, less only where a lane or a goal ends it [m]."""
SHORTEST_CHANGE = 5.0
"""No change takes less [m]."""
CHANGE_COST = 10.0
"""A change is worth this detour [m]."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A piece of a lane.

    Args:
        key: of the lane.
        start: arc length at its beginning [m].
        end: arc length at its end, not before `start` [m].
        gap: from there to where the next stretch begins: 0, or the length of a lane change [m].
    """

    key: LaneKey
    start: float
    end: float
    gap: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """A lane entered at arc length `at` [m] `cost` metres from the beginning, after `before` and a change of `gap`."""

    cost: float
    key: LaneKey
    at: float
    gap: float
    before: _Visit | None


def find_shortest_paths(
    lanes: Mapping[LaneKey, Lane], start: tuple[LaneKey, float], goals: Mapping[LaneKey, float], longest: float
) -> dict[LaneKey, tuple[float, list[Stretch]]]:
    """The shortest path to each goal that can be reached.

    Args:
        lanes: of the map.
        start: lane and arc length [m].
        goals: arc length by lane [m].
        longest: paths longer than this are not searched for [m].

    Returns:
        Cost [m] and stretches by goal.
    """
    found: dict[LaneKey, tuple[float, list[Stretch]]] = {}
    settled: set[LaneKey] = set()
    first = _Visit(cost=0.0, key=start[0], at=start[1], gap=0.0, before=None)
    frontier: list[tuple[float, int, _Visit]] = [(0.0, 0, first)]
    num_pushed = 0
    while frontier and len(found) < len(goals):
        _, _, visit = heapq.heappop(frontier)
        if visit.cost > longest or visit.key in settled:
            continue
        if visit.before is not None:  # a path may come back to the lane it starts on
            settled.add(visit.key)
        goal = goals.get(visit.key)
        if goal is not None and goal >= visit.at:
            cost = visit.cost + goal - visit.at
            if visit.key not in found or cost < found[visit.key][0]:
                found[visit.key] = cost, _stretches(lanes, visit, goal)
        for onward in _expand(lanes, visit, goals):
            num_pushed += 1
            heapq.heappush(frontier, (onward.cost, num_pushed, onward))
    return found


def _expand(lanes: Mapping[LaneKey, Lane], visit: _Visit, goals: Mapping[LaneKey, float]) -> Iterator[_Visit]:
    """Next visits: over the lane's end, or a change to the lane beside it."""
    lane = lanes[visit.key]
    left = max(lane.length - visit.at, 0.0)
    for key in lane.successors:
        if key in lanes:
            yield _Visit(cost=visit.cost + left, key=key, at=0.0, gap=0.0, before=visit)
    for key in (lane.left, lane.right):
        if key is None or key not in lanes:
            continue
        ratio = lanes[key].length / max(lane.length, 1e-6)
        length = min(CHANGE_LENGTH, left)
        goal = goals.get(key)
        if goal is not None and goal >= visit.at * ratio:
            length = min(length, goal / ratio - visit.at)
        if length >= SHORTEST_CHANGE:
            at = (visit.at + length) * ratio
            yield _Visit(cost=visit.cost + length + CHANGE_COST, key=key, at=at, gap=length, before=visit)


def _stretches(lanes: Mapping[LaneKey, Lane], visit: _Visit, end: float) -> list[Stretch]:
    """The path to arc length `end` of the lane visited last."""
    stretches = [Stretch(key=visit.key, start=visit.at, end=end)]
    while visit.before is not None:
        before = visit.before
        left_at = before.at if visit.gap else max(lanes[before.key].length, before.at)  # changed at once, or at its end
        stretches.append(Stretch(key=before.key, start=before.at, end=left_at, gap=visit.gap))
        visit = before
    return stretches[::-1]


def join_stretches(paths: list[list[Stretch]]) -> list[Stretch]:
    """Join paths, each of which begins where the one before ends."""
    result: list[Stretch] = []
    for stretch in (stretch for path in paths for stretch in path):
        last = result[-1] if result else None
        if last is not None and last.key == stretch.key and last.gap == 0 and last.end <= stretch.start:
            result[-1] = replace(last, end=stretch.end, gap=stretch.gap)
        else:
            result.append(stretch)
    return result


def longest_road(lanes: Mapping[LaneKey, Lane], enough: float) -> float:
    """Length of the longest way along lanes [m], where it is less than `enough`."""
    ahead = {key: lane.length for key, lane in lanes.items()}
    for _ in range(len(lanes)):
        longest = max(ahead.values())
        further = {
            key: lane.length + max((ahead[k] for k in lane.successors if k in lanes), default=0.0)
            for key, lane in lanes.items()
        }
        if longest >= enough or further == ahead:
            return longest
        ahead = further
    return max(ahead.values())
