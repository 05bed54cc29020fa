"""Layout: what does not move. Boxes beside the road, areas and lines on the ground. numpy only.

SI, radians, the ground frame of the world (x, y, z up, yaw counter-clockwise). A Layout belongs to a map or an episode;
what is not known is flagged, never invented. Positions are float64: maps in UTM coordinates lie thousands of kilometres
from their origin, where float32 has steps of half a metre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

BOX_NAMES = ("x", "y", "z", "yaw", "length", "width", "height")
"""Middle of the footprint, z of the foot, heading; extent along the heading, across it, upwards; all in m, rad."""


class BoxColumn(IntEnum):
    """Columns of BOX_NAMES."""

    X = 0
    Y = 1
    Z = 2
    YAW = 3
    LENGTH = 4
    WIDTH = 5
    HEIGHT = 6


FOOTPRINT_COLUMNS = [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW, BoxColumn.LENGTH, BoxColumn.WIDTH]
"""Columns of BOX_NAMES that make a box of `worldsim.datatypes.boxes`."""


class LayoutKind(IntEnum):
    """What a box is. Its geometry follows from kind, size and seed alone (worldsim.gbuffer).

    BUILDING: its front looks along the heading; the height includes the roof.
    TREE: length and width are the crown's.
    POLE: an upright post; where it is longer than 1 m, the post stands at its rear end and an arm reaches along the
    heading, with a lamp at its end unless the seed is 0.
    SIGN: a face that looks along the heading, on a post if its foot stands on the ground; `box_signs` says which.
    LIGHT: the head of a traffic light, its lamps look along the heading; the foot is its lower edge.
    WALL: walls, fences and hedges.
    """

    BUILDING = 0
    TREE = 1
    POLE = 2
    SIGN = 3
    LIGHT = 4
    WALL = 5
    OTHER = 6


class SignFace(IntEnum):
    """What a SIGN shows."""

    NONE = 0
    STOP = 1
    YIELD = 2
    SPEED_LIMIT = 3
    OTHER = 4


class AreaKind(IntEnum):
    """What a part of the ground is.

    Where areas overlap, JUNCTION lies on DRIVABLE, and that on PARKING, SHOULDER, SIDEWALK, MEDIAN and OTHER. A
    CROSSWALK is paint.
    """

    DRIVABLE = 0
    JUNCTION = 1
    SHOULDER = 2
    PARKING = 3
    SIDEWALK = 4
    MEDIAN = 5
    CROSSWALK = 6
    OTHER = 7


class LineKind(IntEnum):
    """What a line on the ground is: paint, a kerb, or (LANE_CENTRE, EDGE) nothing that can be seen.

    Of two parallel lines the left one is named first. EDGE is the edge of the drivable area.
    """

    SOLID = 0
    BROKEN = 1
    SOLID_SOLID = 2
    SOLID_BROKEN = 3
    BROKEN_SOLID = 4
    BROKEN_BROKEN = 5
    BOTTS_DOTS = 6
    CURB = 7
    STOP_LINE = 8
    LANE_CENTRE = 9
    EDGE = 10
    OTHER = 11


class LineColor(IntEnum):
    """Paint of a line; NONE for kerbs and what cannot be seen."""

    WHITE = 0
    YELLOW = 1
    NONE = 2


FLAT = 1e-3
"""Heights smaller than this are none [m]."""
NO_SIGNAL = -1
"""In `Layout.box_signals`: shows no light that is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The static surroundings of a road: `n` boxes, `m` areas and `l` lines. All of it defaults to none.

    Args:
        boxes: BOX_NAMES, float64 [n, 7].
        box_kinds: LayoutKind, int64 [n].
        box_colors: of walls, leaves, posts, RGB, uint8 [n, 3].
        box_color_valid: False where the colour is not known, bool [n].
        box_seeds: of the surface's detail: windows, leaves, uint32 [n].
        box_signals: the light group that a LIGHT shows, NO_SIGNAL for none, int64 [n].
        box_signs: SignFace of a SIGN, int64 [n].
        area_points: outlines one after the other, without a repeated first point, float64 [p, 3].
        area_starts: area k has the points area_starts[k] to area_starts[k + 1], int64 [m + 1].
        area_kinds: AreaKind, int64 [m].
        line_points: polylines one after the other, float64 [q, 3].
        line_starts: as area_starts, int64 [l + 1].
        line_kinds: LineKind, int64 [l].
        line_colors: LineColor, int64 [l].
        line_widths: of one stripe [m], float32 [l].
        line_dashes: length of a dash and of the gap after it [m] of broken lines, 0 and 0 where there is none or it is
            not known, float32 [l, 2]; left out, it is so of all.
        line_speed_limits: of a LANE_CENTRE, at its middle [m/s], 0 where it is not known and of other lines, float32
            [l]; left out, it is so of all.
        boxes_known: False says that what stands beside the road is not known.
        ground_known: False says that areas and lines are not known.

    Raises:
        ValueError: an array has another dtype or size than the others ask for, or holds an unknown kind.
    """

    boxes: np.ndarray = field(default_factory=partial(np.zeros, (0, 7)))
    box_kinds: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    box_colors: np.ndarray = field(default_factory=partial(np.zeros, (0, 3), np.uint8))
    box_color_valid: np.ndarray = field(default_factory=partial(np.zeros, 0, bool))
    box_seeds: np.ndarray = field(default_factory=partial(np.zeros, 0, np.uint32))
    box_signals: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    box_signs: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    area_points: np.ndarray = field(default_factory=partial(np.zeros, (0, 3)))
    area_starts: np.ndarray = field(default_factory=partial(np.zeros, 1, np.int64))
    area_kinds: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    line_points: np.ndarray = field(default_factory=partial(np.zeros, (0, 3)))
    line_starts: np.ndarray = field(default_factory=partial(np.zeros, 1, np.int64))
    line_kinds: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    line_colors: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    line_widths: np.ndarray = field(default_factory=partial(np.zeros, 0, np.float32))
    line_dashes: np.ndarray = field(default_factory=partial(np.zeros, (0, 2), np.float32))
    line_speed_limits: np.ndarray = field(default_factory=partial(np.zeros, 0, np.float32))
    boxes_known: bool = True
    ground_known: bool = True

    def __post_init__(self) -> None:
        n, m, q = len(self.boxes), len(self.area_kinds), len(self.line_kinds)
        if len(self.line_dashes) == 0:
            object.__setattr__(self, "line_dashes", np.zeros((q, 2), np.float32))
        if len(self.line_speed_limits) == 0:
            object.__setattr__(self, "line_speed_limits", np.zeros(q, np.float32))
        expected = {
            "boxes": (np.float64, (n, len(BOX_NAMES))),
            "box_kinds": (np.int64, (n,)),
            "box_colors": (np.uint8, (n, 3)),
            "box_color_valid": (np.bool_, (n,)),
            "box_seeds": (np.uint32, (n,)),
            "box_signals": (np.int64, (n,)),
            "box_signs": (np.int64, (n,)),
            "area_points": (np.float64, (len(self.area_points), 3)),
            "area_starts": (np.int64, (m + 1,)),
            "area_kinds": (np.int64, (m,)),
            "line_points": (np.float64, (len(self.line_points), 3)),
            "line_starts": (np.int64, (q + 1,)),
            "line_kinds": (np.int64, (q,)),
            "line_colors": (np.int64, (q,)),
            "line_widths": (np.float32, (q,)),
            "line_dashes": (np.float32, (q, 2)),
            "line_speed_limits": (np.float32, (q,)),
        }
        for name, (dtype, shape) in expected.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} must be {dtype.__name__} {list(shape)}, got {array.dtype} {array.shape}")
        for name in ("area", "line"):
            starts, count = getattr(self, f"{name}_starts"), len(getattr(self, f"{name}_points"))
            if starts[0] != 0 or starts[-1] != count or (np.diff(starts) < 0).any():
                raise ValueError(f"{name}_starts must rise from 0 to the {count} points, got {starts}")
        for name, kinds in _KINDS.items():
            array = getattr(self, name)
            if len(array) and not (array.min() >= 0 and array.max() < len(kinds)):
                raise ValueError(f"{name} must hold {kinds.__name__}, 0 to {len(kinds) - 1}, got {np.unique(array)}")
        for name in ("boxes", "area_points", "line_points", "line_widths", "line_dashes", "line_speed_limits"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite, row {_first_bad(getattr(self, name))} is not")
        unclear = (self.line_dashes < 0).any(1) | ((self.line_dashes > 0).sum(1) == 1)
        if unclear.any():
            row = int(np.argmax(unclear))
            raise ValueError(f"line_dashes must be positive, or 0 and 0 for none, row {row} is {self.line_dashes[row]}")
        if self.line_speed_limits.min(initial=0.0) < 0:
            row, least = int(self.line_speed_limits.argmin()), self.line_speed_limits.min()
            raise ValueError(f"line_speed_limits must be positive, or 0 for none, row {row} is {least}")
        if len(self.boxes) and self.boxes[:, BoxColumn.LENGTH :].min() < 0:
            row = int(np.argmax((self.boxes[:, BoxColumn.LENGTH :] < 0).any(1)))
            raise ValueError(f"boxes must not have negative sizes, row {row} is {self.boxes[row]}")

    @staticmethod
    def unknown() -> Layout:
        """A layout of which nothing is known."""
        return Layout(boxes_known=False, ground_known=False)

    @property
    def is_flat(self) -> bool:
        """Whether its ground is the plane z = 0, as that of a layout without any is."""
        return all(np.abs(points[:, 2]).max(initial=0.0) < FLAT for points in (self.area_points, self.line_points))

    def areas(self) -> list[np.ndarray]:
        """Outlines, float64 [k, 3] each."""
        return _pieces(self.area_points, self.area_starts)

    def lines(self) -> list[np.ndarray]:
        """Polylines, float64 [k, 3] each."""
        return _pieces(self.line_points, self.line_starts)

    def crop(self, xy: np.ndarray, radius: float) -> Layout:
        """What comes within a distance of some places, in the same order; areas and lines are kept whole.

        Args:
            xy: the places, such as points of a route, [k, 2] [m].
            radius: [m].
        """
        places = np.asarray(xy, float).reshape(-1, 2)
        boxes = self.boxes
        half = 0.5 * np.hypot(boxes[:, BoxColumn.LENGTH], boxes[:, BoxColumn.WIDTH])[:, None]
        centre = boxes[:, : BoxColumn.Z]
        spans = []
        for pieces in (self.areas(), self.lines()):
            low = np.array([p[:, :2].min(0) if len(p) else np.full(2, np.inf) for p in pieces]).reshape(-1, 2)
            high = np.array([p[:, :2].max(0) if len(p) else np.full(2, -np.inf) for p in pieces]).reshape(-1, 2)
            spans.append((low, high))
        near = [_near(low, high, places, radius) for low, high in ((centre - half, centre + half), *spans)]
        return self.select(*near)

    def select(self, boxes: np.ndarray, areas: np.ndarray, lines: np.ndarray) -> Layout:
        """The layout of these of its boxes, areas and lines, each by index, int64 [k], or bool [all]."""
        kept = {"box": boxes, "area": areas, "line": lines}
        parts: dict[str, Any] = {}
        for name, pieces in (("area", self.areas()), ("line", self.lines())):
            rows = np.arange(len(pieces))[kept[name]]
            parts[f"{name}_points"], parts[f"{name}_starts"] = join_polylines([pieces[k] for k in rows.tolist()])
        for f in fields(self):
            group = f.name.split("_")[0].replace("boxes", "box")
            if f.name not in parts and group in kept and not f.name.endswith("_known"):
                parts[f.name] = getattr(self, f.name)[kept[group]]
        return Layout(**parts, boxes_known=self.boxes_known, ground_known=self.ground_known)

    def with_boxes_of(self, other: Layout) -> Layout:
        """This ground, and the boxes of another layout on it."""
        names = [f.name for f in fields(self) if f.name.startswith("box")]
        return replace(self, **{name: getattr(other, name) for name in names})

    def boxes_alone(self) -> Layout:
        """The boxes, without areas and lines."""
        return Layout(ground_known=False).with_boxes_of(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Field name to array, in declaration order, for a file; `from_arrays` is the inverse."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Layout:
        """The layout of `arrays()`; files from before dashes or speed limits were known lack these.

        Raises:
            ValueError: a field is missing, or as for Layout.
        """
        names = [f.name for f in fields(Layout)]
        arrays = {name: array for name, array in Layout().arrays().items() if name in _LEFT_OUT} | dict(arrays)
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"a layout has the arrays {names}, missing {missing}")
        values: dict[str, Any] = {name: np.asarray(arrays[name]) for name in names}
        values |= {name: bool(arrays[name]) for name in ("boxes_known", "ground_known")}
        return Layout(**values)

    def __eq__(self, other: object) -> bool:
        """Same values, exactly."""
        if not isinstance(other, Layout):
            return NotImplemented
        return all(np.array_equal(a, b) for a, b in zip(self.arrays().values(), other.arrays().values(), strict=True))

    __hash__ = None  # type: ignore[assignment]


_LEFT_OUT = ("line_dashes", "line_speed_limits")
"""Fields that may be left out."""
_KINDS: dict[str, type[IntEnum]] = {
    "box_kinds": LayoutKind,
    "box_signs": SignFace,
    "area_kinds": AreaKind,
    "line_kinds": LineKind,
    "line_colors": LineColor,
}


class GroundLine(NamedTuple):
    """One line before a Layout joins them: points [n, 2] or [n, 3], kind, colour, width of a stripe [m], dash and gap
    [m], speed limit [m/s]."""

    points: np.ndarray
    kind: LineKind
    color: LineColor = LineColor.NONE
    width: float = 0.0
    dashes: tuple[float, float] = (0.0, 0.0)
    speed_limit: float = 0.0


def join_polylines(pieces: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Points float64 [p, 3] and starts int64 [k + 1] of `k` polylines [n, 3], or [n, 2] at z = 0."""
    points = [np.zeros((0, 3))]
    for piece in pieces:
        whole = np.zeros((len(piece), 3))
        whole[:, : piece.shape[1]] = piece
        points.append(whole)
    return np.concatenate(points), np.cumsum([0, *(len(p) for p in pieces)], dtype=np.int64)


def _pieces(points: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    """The pieces of points [p, 3] that begin at `starts` [k + 1]; np.split takes three times as long."""
    return [points[first:end] for first, end in pairwise(starts.tolist())]


def _near(low: np.ndarray, high: np.ndarray, places: np.ndarray, radius: float) -> np.ndarray:
    """Which rectangles [n, 2] to [n, 2] come within `radius` of one of `places` [k, 2]."""
    near = np.zeros(len(low), bool)
    for place in places:  # a matrix of all boxes and places would be large
        gap = np.maximum(np.maximum(low - place, place - high), 0.0)
        near |= np.hypot(gap[:, 0], gap[:, 1]) <= radius
    return np.flatnonzero(near)


def _first_bad(array: np.ndarray) -> int:
    """First row with a value that is not finite."""
    return int(np.argmax(~np.isfinite(array.reshape(len(array), -1)).all(1)))
