"""LaneGraph: the lanes of a layout as drivers use them: where each goes on, where one stops and for what, and which
cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from worldsim.actors.stop_lines import find_stops
from worldsim.compiled import compiled
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import AreaKind, Layout, LineKind
from worldsim.datatypes.outlines import is_inside
from worldsim.datatypes.signals import SignalKind

LANE_STEP = 2.0
"""Distance between the points of a lane [m]."""
CELL = 6.0
"""Size of the cells in which points of lanes are looked up [m]."""
MOST_SUCCESSORS = 6
"""Lanes that one can go on as."""
LANE_SIDE, LANE_TURN = 2.2, 0.8
"""Who is on a lane is no farther beside it [m] and turned by no more [rad]."""
JOINS = 0.8
"""A lane goes on where another begins this near to its end [m]."""
JOINS_ANGLE = 0.6
"""And turned by no more than this [rad]."""
CONFLICT_DISTANCE = 2.6
"""Two lanes of a junction that come this near to each other cross or merge [m]."""
FINER = 4
"""Steps into which those between the points of a lane are divided to tell where it crosses others [1]."""
STRAIGHT = 0.5
"""A junction lane that turns by less goes straight on [rad]."""
KEY_STEP = 0.1
"""Lanes of layouts that both have a road are the same ones where their ends are told this finely [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneGraph:
    """`l` lanes of `p` points in all, in the layout's frame.

    Args:
        points: x, y and yaw, about LANE_STEP apart along each lane, float64 [p, 3] [m, m, rad].
        point_lanes: which lane each belongs to, int64 [p].
        starts: lane k has the points starts[k] to starts[k + 1], int64 [l + 1].
        lengths: float64 [l] [m].
        speed_limits: 0 where not known, float64 [l] [m/s].
        steps: distance between the points of each, float64 [l] [m].
        successors: the lanes that each goes on as, -1 for none, int64 [l, MOST_SUCCESSORS].
        in_junction: bool [l].
        turns: by how much a lane turns from beginning to end, positive left, float64 [l] [rad].
        stop_s: where on each the stop line is, NO_STOP for none, float64 [l] [m].
        stop_kinds: SignalKind of it: RED for a light, STOP, YIELD; NONE without one, int64 [l].
        stop_groups: the light group that counts there, -1 for none, int64 [l].
        minor: whether those who come by this junction lane give way to the others, bool [l].
        crossings: arc length on lane a where it first comes near lane b of the same junction, inf where they never
            do, float64 [l, l] [m].
        keys: number of each that it has in every layout which has it, int64 [l].
        origin: x and y of the first cell, float64 [2] [m].
        cell_starts: cell (row, column) has the points cell_points[cell_starts[k] : cell_starts[k + 1]] with
            k = row * columns + column; rows go along x; int64 [cells + 1].
        cell_points: int64 [p].
        cells: rows and columns, int64 [2].
    """

    points: np.ndarray
    point_lanes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    speed_limits: np.ndarray
    steps: np.ndarray
    successors: np.ndarray
    in_junction: np.ndarray
    turns: np.ndarray
    stop_s: np.ndarray
    stop_kinds: np.ndarray
    stop_groups: np.ndarray
    minor: np.ndarray
    crossings: np.ndarray
    keys: np.ndarray
    origin: np.ndarray
    cell_starts: np.ndarray
    cell_points: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        """Number of lanes."""
        return len(self.lengths)

    def stop_pose(self, lane: int) -> np.ndarray:
        """x, y and yaw of the stop line of a lane that has one, [3]; it may lie a little beyond the lane's end."""
        own = self.points[self.starts[lane] : self.starts[lane + 1]]
        k = min(int(self.stop_s[lane] / self.steps[lane]), len(own) - 1)
        beyond = self.stop_s[lane] - k * self.steps[lane]
        x, y, yaw = own[k]
        return np.array([x + beyond * np.cos(yaw), y + beyond * np.sin(yaw), yaw])

    def find_lane(self, x: float, y: float, yaw: float) -> tuple[int, float] | None:
        """The lane that a pose is on, and how far along it [m]; None where there is none."""
        beside = np.hypot(self.points[:, 0] - x, self.points[:, 1] - y)
        off = np.where(np.abs(wrap_angle(self.points[:, 2] - yaw)) < LANE_TURN, beside, np.inf)
        if not len(off) or off.min() > LANE_SIDE:
            return None
        lane = int(self.point_lanes[off.argmin()])
        return lane, float((off.argmin() - self.starts[lane]) * self.steps[lane])

    def points_ahead(self, x: float, y: float, yaw: float, length: float) -> np.ndarray:
        """The way from a pose along its lane, straightest at junctions, up to `length` [m] or the last lane's end:
        points of lanes, [n, 3]; none where the pose is on no lane."""
        found = self.find_lane(x, y, yaw)
        if found is None:
            return np.zeros((0, 3))
        lane, s = found
        pieces, left = [self.points[self.starts[lane] + round(s / self.steps[lane]) : self.starts[lane + 1]]], length
        left -= self.lengths[lane] - s
        while left > 0 and (self.successors[lane] >= 0).any():
            onward = self.successors[lane][self.successors[lane] >= 0]
            lane = int(onward[np.abs(self.turns[onward]).argmin()])
            pieces.append(self.points[self.starts[lane] + 1 : self.starts[lane + 1]])
            left -= self.lengths[lane]
        return np.concatenate(pieces)

    @staticmethod
    def of(layout: Layout) -> LaneGraph:
        """The lanes of a layout, none where the ground is not known."""
        lines, kinds = layout.lines(), layout.line_kinds
        rows = [k for k in np.flatnonzero(kinds == LineKind.LANE_CENTRE).tolist() if len(lines[k]) > 1]
        lanes = [_resample(lines[k][:, :2]) for k in rows]
        starts = np.cumsum([0, *(len(lane) for lane in lanes)], dtype=np.int64)
        points = np.concatenate([*lanes, np.zeros((0, 3))])
        steps = np.array([float(np.hypot(*(lane[1, :2] - lane[0, :2]))) for lane in lanes])
        lengths = steps * (np.diff(starts) - 1)
        point_lanes = np.repeat(np.arange(len(lanes)), np.diff(starts))
        successors, in_junction = _successors(points, starts), _in_junction(points, starts, layout)
        turns = np.array([float(lane[-1, 2] - lane[0, 2]) for lane in lanes])
        stop_s, stop_kinds, stop_groups = find_stops(layout, points, starts, lengths, in_junction, successors)
        origin, cell_starts, cell_points, cells = _cells(points)
        return LaneGraph(
            points=points,
            point_lanes=point_lanes,
            starts=starts,
            lengths=lengths,
            speed_limits=layout.line_speed_limits[rows].astype(np.float64),
            successors=successors,
            in_junction=in_junction,
            turns=turns,
            steps=steps,
            stop_s=stop_s,
            stop_kinds=stop_kinds,
            stop_groups=stop_groups,
            minor=_minor(successors, in_junction, turns, stop_kinds),
            crossings=_crossings(points, starts, steps, in_junction),
            keys=_keys(points, starts),
            origin=origin,
            cell_starts=cell_starts,
            cell_points=cell_points,
            cells=cells,
        )


class Streets(NamedTuple):
    """What the vehicles of a world drive by: its lanes, the cycles of its lights, LIGHT_CYCLE_NAMES [g, 4] by light
    group, None where not known, and the time on their clock [s]."""

    lanes: LaneGraph
    light_cycles: np.ndarray | None
    time: float


def _resample(line: np.ndarray) -> np.ndarray:
    """Points with yaw, [k, 3], equally far apart along a polyline [n, 2]."""
    steps = np.diff(line, axis=0)
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    count = max(round(float(arcs[-1]) / LANE_STEP), 1)
    at = np.linspace(0.0, arcs[-1], count + 1)
    xy = np.stack([np.interp(at, arcs, line[:, k]) for k in range(2)], axis=-1)
    chords = np.diff(xy, axis=0)
    yaw = np.unwrap(np.arctan2(chords[:, 1], chords[:, 0]))
    inner = 0.5 * (yaw[1:] + yaw[:-1])
    ends = yaw[[0, -1]] if len(yaw) == 1 else 2 * yaw[[0, -1]] - inner[[0, -1]]
    return np.column_stack([xy, np.concatenate([ends[:1], inner, ends[1:]])])


def _successors(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    begins, ends = points[starts[:-1]], points[starts[1:] - 1]
    apart = np.hypot(*np.moveaxis(begins[None, :, :2] - ends[:, None, :2], -1, 0))
    turned = np.abs(wrap_angle(begins[None, :, 2] - ends[:, None, 2]))
    follows = (apart < JOINS) & (turned < JOINS_ANGLE)
    found = np.full((len(begins), MOST_SUCCESSORS), -1)
    for lane, row in enumerate(follows):
        onward = np.flatnonzero(row)[:MOST_SUCCESSORS]
        found[lane, : len(onward)] = onward
    return found


def _in_junction(points: np.ndarray, starts: np.ndarray, layout: Layout) -> np.ndarray:
    """Whether the middle of each lane lies in a junction, bool [l]."""
    middles = points[(starts[:-1] + starts[1:] - 1) // 2, :2]
    inside = np.zeros(len(middles), bool)
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        if kind == AreaKind.JUNCTION:
            inside |= is_inside(middles, outline[:, :2])
    return inside


def _minor(successors: np.ndarray, in_junction: np.ndarray, turns: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Whose junction lanes give way: those behind a stop or yield sign, those without a light where others have one,
    and the stem of a T, from which nobody goes straight on, where nothing stands. bool [l]."""
    minor = np.zeros(len(turns), bool)
    for approaches in _junctions(successors, in_junction):
        stands = {lane: kinds[lane] for lane in approaches}
        signs = {lane for lane, kind in stands.items() if kind in (SignalKind.STOP, SignalKind.YIELD)}
        lights = {lane for lane, kind in stands.items() if kind == SignalKind.RED}
        if lights:
            signs |= set(approaches) - lights
        elif not signs:
            straight = {lane for lane, onward in approaches.items() if (np.abs(turns[onward]) < STRAIGHT).any()}
            signs = set(approaches) - straight if straight else set()
        for lane in signs:
            minor[approaches[lane]] = True
    return minor


def _junctions(successors: np.ndarray, in_junction: np.ndarray) -> list[dict[int, list[int]]]:
    """Of each junction the lanes into it, and the lanes in it that begin at each."""
    into = {
        lane: [int(k) for k in row[row >= 0] if in_junction[k]]
        for lane, row in enumerate(successors)
        if not in_junction[lane]
    }
    # lanes that lead out to a common lane, or begin at a common one, are of one junction
    group = {k: k for onward in into.values() for k in onward}

    def root(k: int) -> int:
        while group[k] != k:
            k = group[k]
        return k

    out: dict[int, int] = {}
    for onward in into.values():
        for k in onward:
            group[root(k)] = root(onward[0])
            for exit_lane in successors[k][successors[k] >= 0].tolist():
                group[root(k)] = root(out.setdefault(exit_lane, k))
    found: dict[int, dict[int, list[int]]] = {}
    for lane, onward in into.items():
        if onward:
            found.setdefault(root(onward[0]), {})[lane] = onward
    return list(found.values())


def _crossings(points: np.ndarray, starts: np.ndarray, steps: np.ndarray, in_junction: np.ndarray) -> np.ndarray:
    """`crossings` of LaneGraph; lanes that begin together do not cross each other."""
    crossings = np.full((len(steps), len(steps)), np.inf)
    _find_crossings(points, starts, steps, np.flatnonzero(in_junction), crossings)
    return crossings


@compiled
def _find_crossings(points, starts, steps, inside, crossings):
    for a in inside:
        first, count = starts[a], starts[a + 1] - starts[a]
        for b in inside:
            begin, end = starts[b], starts[b + 1]
            dx, dy = points[first, 0] - points[begin, 0], points[first, 1] - points[begin, 1]
            reach = steps[a] * count + steps[b] * (end - begin) + CONFLICT_DISTANCE
            if dx * dx + dy * dy < JOINS**2 or dx * dx + dy * dy > reach**2:
                continue
            for k in range(FINER * (count - 1) + 1):
                part, f = min(k // FINER, count - 2), k / FINER
                f -= part
                x = points[first + part, 0] + f * (points[first + part + 1, 0] - points[first + part, 0])
                y = points[first + part, 1] + f * (points[first + part + 1, 1] - points[first + part, 1])
                near = False
                for p in range(begin, end):
                    dx, dy = x - points[p, 0], y - points[p, 1]
                    near = near or dx * dx + dy * dy < CONFLICT_DISTANCE**2
                if near:
                    crossings[a, b] = steps[a] * k / FINER
                    break


def _keys(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """`keys` of LaneGraph."""
    ends = np.concatenate([points[starts[:-1], :2], points[starts[1:] - 1, :2]], axis=1)
    return np.round(ends / KEY_STEP).astype(np.int64) @ np.array([1, 7919, 104729, 1299709])


def _cells(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`origin`, `cell_starts`, `cell_points` and `cells` of LaneGraph."""
    if not len(points):
        return np.zeros(2), np.zeros(2, np.int64), np.zeros(0, np.int64), np.ones(2, np.int64)
    origin = points[:, :2].min(axis=0)
    place = ((points[:, :2] - origin) / CELL).astype(np.int64)
    cells = place.max(axis=0) + 1
    number = place[:, 0] * cells[1] + place[:, 1]
    order = np.argsort(number, kind="stable")
    cell_starts = np.searchsorted(number[order], np.arange(int(cells.prod()) + 1))
    return origin, cell_starts.astype(np.int64), order, cells
