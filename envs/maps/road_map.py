"""Road maps: lanes to query and to drive along, from an offline carla.Map of any OpenDRIVE text."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import KDTree

from envs.maps.lane_search import Stretch
from envs.maps.opendrive import PAVED_KINDS, Lane, LaneKey, RoadGeometry, extract
from envs.maps.route import Route, RouteStops
from envs.maps.signals import Signal, SignalType
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import RouteCommand

SEAM = 1e-3
"""Between two lanes that follow each other, so that arc length rises [m]."""
COMMAND_DISTANCE = 30.0
"""A junction's command is given from this far before it [m]."""
TURN_ANGLE = np.radians(35.0)
"""Heading change through a junction from which it counts as a turn."""
CHECK_TIMEOUT = 120.0
"""Longest that a child process may take to parse a map [s]."""
_MAX_CELLS = 40_000_000
_CELL = 0.2
_CHECK_CODE = (
    "import sys, carla; m = carla.Map('check', sys.stdin.read()); m.get_topology(); m.generate_waypoints(20.0)"
)


@dataclass(frozen=True, kw_only=True)
class LanePoint:
    """A place on a driving lane's centreline.

    Args:
        x: [m].
        y: [m].
        yaw: direction of travel [rad].
        half_width: of the lane [m].
        speed_limit: [m/s].
        key: of the lane.
        s: arc length from the lane's beginning [m].
        in_junction: whether the lane belongs to a junction.
        distance: to the point that was queried, 0 without one [m].
    """

    x: float
    y: float
    yaw: float
    half_width: float
    speed_limit: float
    key: LaneKey
    s: float
    in_junction: bool
    distance: float = 0.0


class RoadMap:
    """A map: its geometry to draw, its lanes to drive.

    Args:
        name: for messages.
        xodr: the OpenDRIVE text.
        geometry: all there is to draw.
        lanes: the driving lanes.
    """

    def __init__(self, name: str, xodr: str, geometry: RoadGeometry, lanes: dict[LaneKey, Lane]) -> None:
        self.name, self.xodr, self.geometry, self.lanes = name, xodr, geometry, lanes
        self.signals: tuple[Signal, ...] = ()
        self.left_hand = False
        self.lane_keys = tuple(sorted(lanes))
        self._lane_index = {key: i for i, key in enumerate(self.lane_keys)}
        self._keys = sorted(key for key, lane in lanes.items() if lane.length > 0.5)
        counts = [len(lanes[key].points) for key in self._keys]
        self._owner = np.repeat(np.arange(len(self._keys)), counts)
        self._tree = KDTree(np.concatenate([lanes[key].points for key in self._keys]))

        # random starts: outside junctions, where the road goes on
        free = [(key, lanes[key].length) for key in self._keys if lanes[key].junction < 0 and lanes[key].successors]
        self._free_keys = [key for key, _ in free]
        lengths = np.array([length for _, length in free])
        self._free_weights = lengths / lengths.sum() if len(free) else lengths

    @cached_property
    def _raster(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Drivable cells uint8 [rows, columns], their origin [2] and size [m]."""
        x_min, y_min, x_max, y_max = self.geometry.bounds
        cell = max(_CELL, float(np.sqrt((x_max - x_min) * (y_max - y_min) / _MAX_CELLS)))
        origin = np.array([x_min - 1, y_min - 1])
        mask = np.zeros((int((y_max - y_min + 2) / cell) + 1, int((x_max - x_min + 2) / cell) + 1), np.uint8)
        paved = [lane.outline for lane in self.geometry.lanes if lane.kind in PAVED_KINDS]
        for outline in [*paved, *self.geometry.junctions]:
            cv2.fillPoly(mask, [np.rint(((outline - origin) / cell - 0.5) * 16).astype(np.int32)], 1, shift=4)
        return mask, origin, cell

    def drivable(self, xy: np.ndarray) -> np.ndarray:
        """Whether points [n, 2] lie on a paved surface (lanes for driving or parking, junctions), bool [n]."""
        mask, origin, cell = self._raster
        column, row = np.floor((np.asarray(xy, np.float64) - origin) / cell).astype(np.int64).T
        inside = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
        found = np.zeros(len(inside), bool)
        found[inside] = mask[row[inside], column[inside]] > 0
        return found

    def lane_at(self, xy: np.ndarray) -> LanePoint | None:
        """The nearest place on a driving lane's centreline, None if there is none within 30 m."""
        distance, index = self._tree.query(xy, distance_upper_bound=30.0)
        if not np.isfinite(distance):
            return None
        lane = self.lanes[self._keys[self._owner[index]]]
        i = int(index) - int(np.searchsorted(self._owner, self._owner[index]))
        c, s = np.cos(lane.yaw[i]), np.sin(lane.yaw[i])
        along = float(c * (xy[0] - lane.points[i, 0]) + s * (xy[1] - lane.points[i, 1]))
        point = self._point(lane, float(np.clip(lane.s[i] + along, 0.0, lane.length)))
        return replace(point, distance=float(np.hypot(xy[0] - point.x, xy[1] - point.y)))

    def _point(self, lane: Lane, s: float) -> LanePoint:
        def value(of: np.ndarray) -> float:
            return float(np.interp(s, lane.s, of))

        return LanePoint(
            x=value(lane.points[:, 0]),
            y=value(lane.points[:, 1]),
            yaw=float(wrap_angle(value(lane.yaw))),
            half_width=value(lane.half_width),
            speed_limit=lane.speed_limit,
            key=lane.key,
            s=s,
            in_junction=lane.junction >= 0,
        )

    def random_lane_point(self, rng: np.random.Generator) -> LanePoint:
        """A place outside junctions, each metre of lane equally likely.

        Raises:
            ValueError: the map has no lane outside junctions that leads on.
        """
        if not self._free_keys:
            raise ValueError(f"map {self.name} has no lane outside junctions that leads on")
        lane = self.lanes[self._free_keys[int(rng.choice(len(self._free_keys), p=self._free_weights))]]
        return self._point(lane, float(rng.uniform(0.0, lane.length)))

    def neighbours(self, point: LanePoint) -> tuple[LanePoint | None, LanePoint | None]:
        """The places beside `point` on the left and right lane of its direction, None where there is no such lane."""
        lane = self.lanes[point.key]

        def beside(key: LaneKey | None) -> LanePoint | None:
            if key is None:
                return None
            other = self.lanes[key]
            return self._point(other, point.s / max(lane.length, 1e-6) * other.length)

        return beside(lane.left), beside(lane.right)

    def route_from(self, start: LanePoint, length: float, rng: np.random.Generator) -> Route:
        """A route of `length` metres (less only where the road ends) that chooses at random at each fork."""
        chain, total = [self.lanes[start.key]], -start.s
        while True:
            total += chain[-1].length
            onward = [self.lanes[k] for k in chain[-1].successors if k in self.lanes]
            alive = [lane for lane in onward if lane.successors] or onward
            if total >= length or not alive:
                break
            chain.append(alive[int(rng.integers(len(alive)))])
        return self._resample(chain, np.full(len(chain), SEAM), start.s, length)

    def lanes_near(self, xy: np.ndarray, radius: float) -> list[LanePoint]:
        """The nearest place on each driving lane within `radius` [m] of a point [2], nearest first."""
        nearest: dict[int, tuple[float, int]] = {}
        for index in self._tree.query_ball_point(xy, radius):
            distance = float(np.hypot(*(self._tree.data[index] - xy)))
            owner = int(self._owner[index])
            nearest[owner] = min(nearest.get(owner, (np.inf, 0)), (distance, int(index)))
        found = []
        for owner, (distance, index) in sorted(nearest.items(), key=lambda item: item[1]):
            lane = self.lanes[self._keys[owner]]
            s = float(lane.s[index - int(np.searchsorted(self._owner, owner))])
            found.append(replace(self._point(lane, s), distance=distance))
        return found

    def route_along(self, stretches: Sequence[Stretch]) -> Route:
        """The route over stretches of lanes, straight from one lane to the next where it changes.

        Raises:
            ValueError: it is shorter than 2 m.
        """
        chain = [_clip_lane(self.lanes[stretch.key], stretch.start, stretch.end) for stretch in stretches]
        gaps = np.array([stretch.gap or SEAM for stretch in stretches])
        length = sum(lane.length for lane in chain) + gaps[:-1].sum()
        if length < 2.0:
            raise ValueError(f"a route needs at least 2 m, got {length:.2f} m")
        return self._resample(chain, gaps, 0.0, length)

    def _resample(self, chain: list[Lane], gaps: np.ndarray, start: float, length: float) -> Route:
        """The lanes one after the other, `gaps` [m] apart, from `start` metres into the first on, one point a metre."""
        offsets = np.concatenate([[0.0], np.cumsum([lane.length for lane in chain] + gaps)])
        s = np.concatenate([lane.s + offset for lane, offset in zip(chain, offsets, strict=False)])
        points = np.concatenate([lane.points for lane in chain])
        yaw = np.unwrap(np.concatenate([lane.yaw for lane in chain]))
        half_width = np.concatenate([lane.half_width for lane in chain])
        end = min(start + length, float(s[-1]))
        at = np.arange(start, max(end, start + 1.0) + 1e-6, 1.0)
        owner = np.clip(np.searchsorted(offsets, at, side="right") - 1, 0, len(chain) - 1)
        commands = np.zeros(len(at), np.int64)
        for begin, finish, command in _junctions(chain, offsets):
            here = (at >= begin - COMMAND_DISTANCE) & (at <= finish)
            commands[here & (commands == RouteCommand.FOLLOW)] = command
        return Route(
            points=np.stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])], axis=1),
            yaw=wrap_angle(np.interp(at, s, yaw)),
            half_width=np.interp(at, s, half_width),
            speed_limit=np.array([lane.speed_limit for lane in chain])[owner],
            command=commands,
            lanes=np.array([self._lane_index[lane.key] for lane in chain])[owner],
            z=np.zeros(len(at)),
            stops=self._stops(chain, offsets, start, end),
            length=float(len(at) - 1),
        )

    def _stops(self, chain: list[Lane], offsets: np.ndarray, start: float, end: float) -> RouteStops:
        found = []
        for lane, offset in zip(chain, offsets, strict=False):
            for i, signal in enumerate(self.signals):
                if signal.kind in (SignalType.TRAFFIC_LIGHT, SignalType.STOP, SignalType.YIELD):
                    found += [(offset + s - start, i) for key, s in signal.stops if key == lane.key]
        found = sorted((s, i) for s, i in found if 0 <= s <= end - start)
        return RouteStops(s=np.array([s for s, _ in found], float), signals=np.array([i for _, i in found], np.int64))


def _clip_lane(lane: Lane, start: float, end: float) -> Lane:
    """The lane from arc length `start` to `end` [m]."""
    inside = (lane.s > start) & (lane.s < end)
    s = np.concatenate([[start], lane.s[inside], [end]])
    x, y, yaw, half_width = (
        np.interp(s, lane.s, of) for of in (lane.points[:, 0], lane.points[:, 1], lane.yaw, lane.half_width)
    )
    return replace(lane, points=np.stack([x, y], -1), yaw=yaw, half_width=half_width, s=s - start)


def _junctions(chain: list[Lane], offsets: np.ndarray) -> list[tuple[float, float, RouteCommand]]:
    """Beginning, end [m] and command of each passage of a junction, in order."""
    found = []
    i = 0
    while i < len(chain):
        j = i
        while j < len(chain) and chain[j].junction >= 0 and chain[j].junction == chain[i].junction:
            j += 1
        if j > i:
            turn = float(wrap_angle(chain[j - 1].yaw[-1] - chain[i].yaw[0]))
            command = RouteCommand.STRAIGHT
            if abs(turn) > TURN_ANGLE:
                command = RouteCommand.LEFT if turn > 0 else RouteCommand.RIGHT
            found.append((float(offsets[i]), float(offsets[j]), command))
        i = max(j, i + 1)
    return found


_accepted: set[str] = set()
_refused: dict[str, str] = {}


def load_map(source: str | Path) -> RoadMap:
    """The map of an OpenDRIVE file or text; parsed first in a child process, since some files crash carla.Map.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the map cannot be used; says why.
    """
    text = str(source)
    name = "given as text"
    if not text.lstrip().startswith("<"):
        name, path = Path(text).stem, Path(text)
        if not path.is_file():
            raise FileNotFoundError(f"no map at {path}")
        text = path.read_text(errors="replace")
    _check(name, text)
    return _load(name, text)


@lru_cache(maxsize=2)
def load_town(seed: int) -> RoadMap:
    """The procedural town of a seed; the last ones are kept."""
    from envs.maps.procedural_towns import town_xodr

    return _load(f"town {seed}", town_xodr(seed))


def _load(name: str, text: str) -> RoadMap:
    import carla

    try:
        return RoadMap(name, text, *extract(carla.Map(name, text), text))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"map {name} cannot be used: {error}") from error


def _check(name: str, text: str) -> None:
    """Refuse a text that a child process cannot parse; a verdict is remembered."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest not in _accepted and digest not in _refused:
        try:
            child = subprocess.run(
                [sys.executable, "-c", _CHECK_CODE], input=text, capture_output=True, text=True, timeout=CHECK_TIMEOUT
            )
            if child.returncode == 0:
                _accepted.add(digest)
            elif child.returncode < 0:
                _refused[digest] = f"parsing it crashed the process (signal {-child.returncode})"
            else:
                last = (child.stderr.strip() or "no message").splitlines()[-1]
                _refused[digest] = f"carla.Map refused it: {last}"
        except subprocess.TimeoutExpired:
            _refused[digest] = f"parsing it took more than {CHECK_TIMEOUT:g} s"
    if digest in _refused:
        raise ValueError(f"map {name} cannot be used: {_refused[digest]}")
