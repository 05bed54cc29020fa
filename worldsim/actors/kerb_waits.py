"""When pedestrians wait at the kerb: for vehicles that come, and for a light that lets these go. Compiled: these are
pairs of all with all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from worldsim.actors.actors import ActorColumn
from worldsim.actors.lane_graph import CELL, LaneGraph, Streets
from worldsim.actors.leads import EGO_LENGTH
from worldsim.actors.right_of_way import shown_by
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import LightCycleColumn, SignalKind
from worldsim.datatypes.vehicle import VehicleColumn

ROAD_SIDE = 2.0
"""The road reaches so far beside the centre of a lane [m]."""
AMONG, DIRECTIONS, ASIDE = 12.0, 12, 3
"""Between the lanes of a junction it reaches wherever such lanes are all around, this near [m]: of as many directions
no more than so many next to each other may be without [1]. On a pavement at its corner half of them are."""
STEP_ONTO = 0.9
"""Who is not on the road waits where the road is this near in the direction of the walk [m]."""
CAREFUL_GAP, CARELESS_GAP = 4.5, 2.2
"""Nobody steps on the road while the first vehicle would be there sooner [s]; those who are careless, a fourth of all,
take the smaller one."""
CARELESS_OF = 4
SEEN = 60.0
"""Vehicles farther away are not minded [m]."""
STANDS, STANDS_OFF = 0.5, 4.0
"""Nor is one that is slower [m/s] and farther away than this [m]."""
ALONG = 0.7
"""Who walks in a direction that differs by less than this from the road's, either way, does not cross it [rad]."""
LIGHT_RANGE, ROAD_WIDTH = 8.0, 12.0
"""A light counts whose stop line is this near to where one crosses, so far on [m]."""

_X, _Y, _YAW, _SPEED = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW), int(ActorColumn.SPEED)
_LENGTH = int(ActorColumn.LENGTH)
_PEDESTRIAN = int(ObjectKind.PEDESTRIAN)
_GREEN, _YELLOW = int(SignalKind.GREEN), int(SignalKind.YELLOW)
_EGO = [int(VehicleColumn.X), int(VehicleColumn.Y), int(VehicleColumn.YAW), int(VehicleColumn.SPEED)]


class _Road(NamedTuple):
    """What the compiled code reads of a LaneGraph."""

    points: np.ndarray
    point_lanes: np.ndarray
    steps: np.ndarray
    in_junction: np.ndarray
    origin: np.ndarray
    cell_starts: np.ndarray
    cell_points: np.ndarray
    cells: np.ndarray

    @staticmethod
    def of(lanes: LaneGraph) -> _Road:
        """That of a LaneGraph."""
        return _Road(*(getattr(lanes, name) for name in _Road._fields))


def are_on_road(lanes: LaneGraph, places: np.ndarray) -> np.ndarray:
    """Which places [k, 2] are on a lane, in whichever direction, or amid a junction, bool [k]."""
    road = _Road.of(lanes)
    return np.array([_on_road(road, x, y) for x, y in places], bool)


def find_kerb_waits(
    streets: Streets, states: np.ndarray, kinds: np.ndarray, ways: np.ndarray, ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which actors of a world are pedestrians who would step on the road now and wait instead, bool [s], and by how
    much those turn who would come on it because they walk along it and it bends [s] [rad], NaN for the others.

    Whoever is on the road walks on. Where no lanes are known nobody waits or turns.

    Args:
        streets: lanes and lights.
        states: ACTOR_NAMES in the ground frame, [s, 10].
        kinds: ObjectKind, [s].
        ways: by which number each chooses its way; it also says who is careless, [s].
        ego: VEHICLE_NAMES [6].
    """
    waits, turns = np.zeros(len(kinds), bool), np.full(len(kinds), np.nan)
    if not len(streets.lanes) or not (kinds == ObjectKind.PEDESTRIAN).any():
        return waits, turns
    lanes, cycles, road = streets.lanes, streets.light_cycles, _Road.of(streets.lanes)
    lit = np.flatnonzero(lanes.stop_groups >= 0) if cycles is not None else np.zeros(0, np.int64)
    stops = np.array([lanes.stop_pose(lane)[:2] for lane in lit.tolist()]).reshape(-1, 2)
    known = np.zeros((0, len(LightCycleColumn))) if cycles is None else np.asarray(cycles, np.float64)
    careless = ways.astype(np.int64) % CARELESS_OF == 0
    _find(road, stops, lanes.stop_groups[lit], known, streets.time, states, kinds, careless, ego[_EGO], waits, turns)
    return waits, turns


@compiled
def _on_road(road, x, y):
    """Whether a place is on a lane or amid a junction."""
    row, column = int((x - road.origin[0]) // CELL), int((y - road.origin[1]) // CELL)
    for i in range(row - 1, row + 2):
        for j in range(column - 1, column + 2):
            if i < 0 or j < 0 or i >= road.cells[0] or j >= road.cells[1]:
                continue
            cell = i * road.cells[1] + j
            for k in range(road.cell_starts[cell], road.cell_starts[cell + 1]):
                p = road.cell_points[k]
                dx, dy = x - road.points[p, 0], y - road.points[p, 1]
                cos, sin = np.cos(road.points[p, 2]), np.sin(road.points[p, 2])
                along, across = abs(cos * dx + sin * dy), abs(cos * dy - sin * dx)
                if along <= 0.5 * road.steps[road.point_lanes[p]] + 0.1 and across < ROAD_SIDE:
                    return True
    return _amid_junction(road, x, y)


@compiled
def _amid_junction(road, x, y):
    """Whether lanes of a junction are all around a place."""
    row, column = int((x - road.origin[0]) // CELL), int((y - road.origin[1]) // CELL)
    reach = int(np.ceil(AMONG / CELL))
    seen, num = np.zeros(DIRECTIONS, np.bool_), 0
    for i in range(max(row - reach, 0), min(row + reach + 1, road.cells[0])):
        for j in range(max(column - reach, 0), min(column + reach + 1, road.cells[1])):
            cell = i * road.cells[1] + j
            for k in range(road.cell_starts[cell], road.cell_starts[cell + 1]):
                p = road.cell_points[k]
                dx, dy = road.points[p, 0] - x, road.points[p, 1] - y
                if road.in_junction[road.point_lanes[p]] and dx * dx + dy * dy < AMONG**2:
                    part = int((np.arctan2(dy, dx) + np.pi) / (2 * np.pi) * DIRECTIONS) % DIRECTIONS
                    num += 0 if seen[part] else 1
                    seen[part] = True
    if num == 0:
        return False
    aside = 0
    for k in range(2 * DIRECTIONS):  # twice around, since what is aside may begin anywhere
        aside = 0 if seen[k % DIRECTIONS] else aside + 1
        if aside > ASIDE:
            return False
    return True


@compiled
def _slant(road, x, y, yaw):
    """By how much a direction is turned from that of the lane nearest to a place, in whichever way one goes along it,
    in [-pi / 2, pi / 2) [rad]."""
    row, column = int((x - road.origin[0]) // CELL), int((y - road.origin[1]) // CELL)
    best, angle = np.inf, yaw + np.pi / 2
    for i in range(max(row - 1, 0), min(row + 2, road.cells[0])):
        for j in range(max(column - 1, 0), min(column + 2, road.cells[1])):
            cell = i * road.cells[1] + j
            for k in range(road.cell_starts[cell], road.cell_starts[cell + 1]):
                p = road.cell_points[k]
                dx, dy = road.points[p, 0] - x, road.points[p, 1] - y
                if dx * dx + dy * dy < best:
                    best, angle = dx * dx + dy * dy, road.points[p, 2]
    return (yaw - angle + np.pi / 2) % np.pi - np.pi / 2


@compiled
def _arrives(x, y, place, speed, length):
    """When a vehicle that does not slow down is at a place [s]; inf for one that is not minded."""
    dx, dy = x - place[0], y - place[1]
    distance = np.sqrt(dx * dx + dy * dy)
    towards = np.cos(place[2]) * dx + np.sin(place[2]) * dy > 0
    if not towards or distance > SEEN or (speed < STANDS and distance > STANDS_OFF):
        return np.inf
    return max(distance - length / 2, 0.0) / max(abs(speed), STANDS)


@compiled
def _find(road, stops, groups, cycles, time, states, kinds, careless, ego, waits, turns):
    for i in range(len(kinds)):
        if kinds[i] != _PEDESTRIAN:
            continue
        x, y, yaw = states[i, _X], states[i, _Y], states[i, _YAW]
        cos, sin = np.cos(yaw), np.sin(yaw)
        if _on_road(road, x, y) or not _on_road(road, x + STEP_ONTO * cos, y + STEP_ONTO * sin):
            continue
        slant = _slant(road, x + STEP_ONTO * cos, y + STEP_ONTO * sin, yaw)
        if abs(slant) < ALONG:
            turns[i] = -slant
            continue
        soonest = _arrives(x, y, ego, ego[3], EGO_LENGTH)
        for j in range(len(kinds)):
            if kinds[j] > 0 and kinds[j] != _PEDESTRIAN:
                place = states[j, _X : _YAW + 1]
                soonest = min(soonest, _arrives(x, y, place, states[j, _SPEED], states[j, _LENGTH]))
        waits[i] = soonest < (CARELESS_GAP if careless[i] else CAREFUL_GAP)

        for k in range(len(stops)):
            dx, dy = stops[k, 0] - x, stops[k, 1] - y
            ahead = min(max(cos * dx + sin * dy, 0.0), ROAD_WIDTH)
            near = (dx - ahead * cos) ** 2 + (dy - ahead * sin) ** 2 < LIGHT_RANGE * LIGHT_RANGE
            shown = shown_by(cycles, groups[k], time)
            waits[i] = waits[i] or (near and shown in (_GREEN, _YELLOW))
