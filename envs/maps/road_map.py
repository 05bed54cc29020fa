"""Road maps: lanes to query and to drive along, from any OpenDRIVE text."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from envs.maps.geometry import LEVEL_HEIGHT, Lane, LaneKey
from envs.maps.lane_routes import SEAM, clip_lane, route_over
from envs.maps.lane_search import Stretch, longest_road
from envs.maps.levels import Levels
from envs.maps.opendrive.map_reader import MapContents, read_map
from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.opendrive.text import read_opendrive_file
from envs.maps.route import Route
from worldsim.datatypes.boxes import wrap_angle

SHORTEST_START = 10.0
"""A map can be driven where this much road lies ahead of some place [m]."""
SEARCH_RADIUS = 30.0
"""lane_at looks this far [m]."""
_OBEYED = (SignalType.TRAFFIC_LIGHT, SignalType.STOP, SignalType.YIELD)


@dataclass(frozen=True, kw_only=True)
class LanePoint:
    """A place on a driving lane's centreline.

    Args:
        x: [m].
        y: [m].
        z: height of the road [m].
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
    z: float
    yaw: float
    half_width: float
    speed_limit: float
    key: LaneKey
    s: float
    in_junction: bool
    distance: float = 0.0


class RoadMap:
    """A map: its geometry to draw, its lanes to drive, its signals to obey.

    Attributes:
        name: for messages.
        xodr: the OpenDRIVE text.
        geometry: all there is to draw.
        lanes: the driving lanes.
        lane_keys: theirs, in order; rows of what is told by lane.
        signals: traffic lights and signs.
        left_hand: whether traffic keeps to the left.
        road_ids: the map's own ids of roads by number.
        junction_ids: the same of junctions.

    Args:
        name: for messages.
        xodr: the OpenDRIVE text.
        contents: what was read from it.
    """

    def __init__(self, name: str, xodr: str, contents: MapContents) -> None:
        self.name, self.xodr = name, xodr
        self.geometry, self.lanes, self.signals = contents.geometry, contents.lanes, contents.signals
        self.left_hand, self.road_ids, self.junction_ids = (
            contents.left_hand,
            contents.road_ids,
            contents.junction_ids,
        )
        lanes = self.lanes
        self.lane_keys = tuple(sorted(lanes))
        self._lane_rows = {key: row for row, key in enumerate(self.lane_keys)}
        self._keys = sorted(key for key, lane in lanes.items() if lane.length > 0.5) or sorted(lanes)
        counts = [len(lanes[key].points) for key in self._keys]
        self._owner = np.repeat(np.arange(len(self._keys)), counts)
        self._tree = KDTree(np.concatenate([lanes[key].points for key in self._keys]))
        self._tree_z = np.concatenate([lanes[key].z for key in self._keys])

        # random starts: outside junctions where the road goes on; where none does, wherever there is a lane
        outside = [key for key in self._keys if lanes[key].junction < 0]
        self._free_keys = [key for key in outside if lanes[key].successors] or outside or self._keys
        lengths = np.array([lanes[key].length for key in self._free_keys])
        self._free_weights = lengths / lengths.sum()

        self._lane_stops: defaultdict[LaneKey, list[tuple[float, int]]] = defaultdict(list)
        for index, signal in enumerate(self.signals):
            if signal.kind in _OBEYED:
                for key, at in signal.stops:
                    self._lane_stops[key].append((at, index))

    @cached_property
    def _levels(self) -> Levels:
        return Levels(self.geometry)

    @property
    def is_flat(self) -> bool:
        """Whether all of it lies at height 0."""
        return self._levels.is_flat

    def height_at(self, xy: np.ndarray, near_z: np.ndarray) -> np.ndarray:
        """Height of the road at points [n, 2], on the level nearest to `near_z` [n] [m], [n] [m]."""
        return self._levels.height(np.asarray(xy, np.float64), np.asarray(near_z, np.float64))

    def drivable(self, xy: np.ndarray, z: np.ndarray | float | None = None) -> np.ndarray:
        """Whether points [n, 2] lie on a paved surface (lanes for driving or parking, junctions), bool [n].

        Args:
            xy: [m].
            z: their heights [n] [m]; with them only surfaces within LEVEL_HEIGHT count.
        """
        return self._levels.paved(np.asarray(xy, np.float64), z)

    def lane_at(self, xy: np.ndarray, z: float | None = None) -> LanePoint | None:
        """The nearest place on a driving lane's centreline, None if there is none within SEARCH_RADIUS.

        Args:
            xy: [2] [m].
            z: height of the point [m]; with it only lanes within LEVEL_HEIGHT count.
        """
        distance, index = self._tree.query(xy, distance_upper_bound=SEARCH_RADIUS)
        if not np.isfinite(distance):
            return None
        if z is not None and abs(self._tree_z[index] - z) > LEVEL_HEIGHT:
            near = np.array(self._tree.query_ball_point(xy, SEARCH_RADIUS))
            near = near[np.abs(self._tree_z[near] - z) <= LEVEL_HEIGHT]
            if not len(near):
                return None
            index = near[np.argmin(np.linalg.norm(self._tree.data[near] - xy, axis=1))]
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
            z=value(lane.z),
            yaw=float(wrap_angle(value(lane.yaw))),
            half_width=value(lane.half_width),
            speed_limit=lane.limit_at(s),
            key=lane.key,
            s=s,
            in_junction=lane.junction >= 0,
        )

    def point_on(self, key: LaneKey, s: float) -> LanePoint:
        """The place at arc length `s` [m] of a lane."""
        return self._point(self.lanes[key], s)

    def stops_on(self, key: LaneKey) -> list[tuple[float, int]]:
        """Arc length of each stop line on a lane [m], and for which of `signals` it is."""
        return list(self._lane_stops[key]) if key in self._lane_stops else []

    def random_lane_point(self, rng: np.random.Generator) -> LanePoint:
        """A place outside junctions on a lane that leads on, if there are such; each metre is equally likely."""
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

    def route_from(
        self, start: LanePoint, length: float, rng: np.random.Generator, via: Sequence[LaneKey] = ()
    ) -> Route:
        """A route of `length` metres (less only where the road ends) that chooses at random at each fork.

        Args:
            start: where it begins.
            length: [m].
            rng: chooses.
            via: the lanes that it takes first, that of `start` included; () chooses from the beginning.
        """
        chain = [self.lanes[key] for key in via or (start.key,)]
        total = sum(lane.length for lane in chain[:-1]) - start.s
        while True:
            total += chain[-1].length
            onward = [self.lanes[k] for k in chain[-1].successors if k in self.lanes]
            alive = [lane for lane in onward if lane.successors] or onward
            if total >= length or not alive:
                break
            chain.append(alive[int(rng.integers(len(alive)))])
        return self._route_over(chain, np.full(len(chain), SEAM), np.zeros(len(chain)), start.s, length)

    def route_via(self, start: LanePoint, via: Sequence[LaneKey], length: float) -> Route:
        """The route of `length` metres along lanes in a row, that of `start` first; less where they end."""
        chain = [self.lanes[key] for key in via]
        return self._route_over(chain, np.full(len(chain), SEAM), np.zeros(len(chain)), start.s, length)

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
        chain = [clip_lane(self.lanes[stretch.key], stretch.start, stretch.end) for stretch in stretches]
        gaps = np.array([stretch.gap or SEAM for stretch in stretches])
        length = sum(lane.length for lane in chain) + gaps[:-1].sum()
        if length < 2.0:
            raise ValueError(f"a route needs at least 2 m, got {length:.2f} m")
        skipped = np.array([stretch.start for stretch in stretches])
        return self._route_over(chain, gaps, skipped, 0.0, length)

    def _route_over(
        self, chain: Sequence[Lane], gaps: np.ndarray, skipped: np.ndarray, start: float, length: float
    ) -> Route:
        return route_over(chain, gaps, skipped, start, length, self._lane_rows, self._lane_stops)


class MapSource(NamedTuple):
    """Where a map comes from: its name, what messages call it, and its OpenDRIVE text."""

    name: str
    title: str
    xodr: str


def read_map_source(source: str | Path) -> MapSource:
    """The OpenDRIVE text of a file, or the text that `source` is itself.

    Raises:
        FileNotFoundError: no such file.
    """
    text = str(source)
    if "<" in text:  # also where what stands before it is garbled
        return MapSource("given as text", "given as text", text)
    path = Path(text)
    if not path.is_file():
        raise FileNotFoundError(f"no map at {path}")
    return MapSource(path.stem, str(path), read_opendrive_file(path))


def load_map(source: str | Path | MapSource) -> RoadMap:
    """The map of an OpenDRIVE file or text.

    What is understood only in part is named in warnings.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the map cannot be used; says which element is wrong, and what would be right.
    """
    return _load(*(source if isinstance(source, MapSource) else read_map_source(source)))


@lru_cache(maxsize=2)
def load_town(seed: int) -> RoadMap:
    """The procedural town of a seed; the last ones are kept."""
    from envs.maps.towns.procedural_towns import town_xodr

    return _load(f"town {seed}", f"town {seed}", town_xodr(seed))


def _load(name: str, source: str, text: str) -> RoadMap:
    """The map of a text, `source` in messages."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            contents = read_map(text)
    except ValueError as error:
        raise ValueError(f"map {source} cannot be used: {error}") from error
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        warnings.warn(f"map {source}: {message}", stacklevel=3)
    longest = longest_road(contents.lanes, SHORTEST_START)
    if longest < SHORTEST_START:
        raise ValueError(
            f"map {source} cannot be used: no lane is long enough to start on: {SHORTEST_START:g} m of road are "
            f"needed, the longest has {longest:.1f} m"
        )
    return RoadMap(name, text, contents)
