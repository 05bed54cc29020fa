"""The streets of a recorded town, read off its Layout: what LayoutModel learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.spatial import KDTree

from training.data.frame_store import FrameStore
from training.data.layout_store import UNKNOWN
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import AreaKind, BoxColumn, Layout, LayoutKind, LineColor, LineKind, SignFace
from worldsim.datatypes.scene import LaneColumn, SceneState
from worldsim.layouts.street import LEFT, RIGHT, Street, resample
from worldsim.layouts.things import Things, thing_kinds, things_beside

THING_RANGE = 45.0
"""What stands farther from every street than this belongs to none [m]."""
SIDEWALK_WIDTH = 2.0
"""Where a layout has none beside a street's lanes that could be measured [m]."""
_LIMIT_STRIDE = 20
_END_GAP = 16.0
_LANE_GAP = 5.0
_SIGN_RANGE = 14.0
"""Stop and yield signs stand this near to the mouth that they rule [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedJunction:
    """A junction: its node, and the ends of streets that meet there.

    Args:
        node: where the streets' centre lines meet, float64 [2] [m].
        legs: (street, whether it is the street's end) of each.
        lit: lights rule it.
        signs: SignFace.STOP, YIELD or NONE of each leg.
    """

    node: np.ndarray
    legs: tuple[tuple[int, bool], ...]
    lit: bool
    signs: tuple[SignFace, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedTown:
    """Streets, junctions and what stands beside the streets, by street and side."""

    streets: tuple[Street, ...]
    junctions: tuple[RecordedJunction, ...]
    things: dict[tuple[int, int], Things]
    has_yellow_lines: bool


def read_town(layout: Layout) -> RecordedTown:
    """The streets of a layout; those that do not end at junctions at both ends are left out.

    Raises:
        ValueError: no street is found, or the layout does not know its ground or its boxes.
    """
    if not (layout.ground_known and layout.boxes_known):
        raise ValueError("streets are read off layouts that know their ground and their boxes, this one does not")
    outlines = _outlines(layout, AreaKind.JUNCTION)
    bare = [street for group in _lane_groups(layout, outlines) if (street := _street_of(group, layout)) is not None]
    ends = [(k, at_end) for k in range(len(bare)) for at_end in (False, True)]
    owners = {end: _junction_at(_mouth(bare[end[0]], end[1])[:2], outlines) for end in ends}
    kept = [k for k in range(len(bare)) if owners[k, False] is not None and owners[k, True] is not None]
    if not kept:
        raise ValueError("no street with junctions at both its ends is found in the layout")
    new_index = {k: i for i, k in enumerate(kept)}
    streets = [bare[k] for k in kept]
    junctions = []
    for j in range(len(outlines)):
        legs = tuple((new_index[k], e) for k, e in ends if k in new_index and owners[k, e] == j)
        if len(legs) > 1:
            junctions.append(_junction_of(legs, streets, layout, outlines[j]))
    streets = _joined(streets, junctions)
    return RecordedTown(
        streets=tuple(streets),
        junctions=tuple(junctions),
        things=_things_of(layout, streets),
        has_yellow_lines=bool((layout.line_colors == LineColor.YELLOW).any()),
    )


def _outlines(layout: Layout, kind: AreaKind) -> list[np.ndarray]:
    areas = layout.areas()
    return [areas[k][:, :2].astype(np.float32) for k in np.flatnonzero(layout.area_kinds == kind)]


def _inside(point: np.ndarray, outline: np.ndarray) -> float:
    """Distance to an outline, positive inside [m]."""
    return float(cv2.pointPolygonTest(outline, (float(point[0]), float(point[1])), True))


def _junction_at(point: np.ndarray, outlines: list[np.ndarray]) -> int | None:
    gaps = [_inside(point, outline) for outline in outlines]
    return int(np.argmax(gaps)) if gaps and max(gaps) > -4.0 else None


def _lane_groups(layout: Layout, junctions: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """The lanes of each street, in their directions of travel, each [n, 2] about 1 m apart."""
    lines = layout.lines()
    lanes = [resample(lines[k][:, :2])[0] for k in np.flatnonzero(layout.line_kinds == LineKind.LANE_CENTRE)]
    lanes = [lane for lane in lanes if all(_inside(lane[len(lane) // 2], outline) < 0 for outline in junctions)]
    left = list(range(len(lanes)))
    while left:
        group, border = [], [left.pop(0)]
        while border:
            k = border.pop()
            group.append(k)
            near = [m for m in left if _side_by_side(lanes[k], lanes[m])]
            left = [m for m in left if m not in near]
            border += near
        yield [lanes[k] for k in group]


def _side_by_side(a: np.ndarray, b: np.ndarray) -> bool:
    middle = np.hypot(*(b - a[len(a) // 2]).T).min() < _LANE_GAP
    ends = [np.hypot(*(a[i] - b[j])) < _END_GAP for i, j in ((0, 0), (-1, -1))]
    opposite = [np.hypot(*(a[i] - b[j])) < _END_GAP for i, j in ((0, -1), (-1, 0))]
    return bool(middle and (all(ends) or all(opposite)))


def _street_of(lanes: list[np.ndarray], layout: Layout) -> Street | None:
    """The street of lanes that lie side by side; None of one with traffic one way."""
    first = lanes[0]
    along = [lane for lane in lanes if np.hypot(*(lane[0] - first[0])) <= np.hypot(*(lane[-1] - first[0]))]
    against = [lane[::-1] for lane in lanes if not any(lane is other for other in along)]
    if not along or len(along) != len(against):
        return None
    pairs = [(float(np.hypot(*(a[len(a) // 2] - b[len(b) // 2]))), a, b) for a in along for b in against]
    _, a, b = min(pairs, key=lambda pair: pair[0])
    dense = resample(b, 0.1)[0]  # the lanes of a bend are not equally long
    gaps, nearest = KDTree(dense).query(a)
    points, yaws = resample(0.5 * (a + dense[nearest]))
    gap = float(np.median(gaps))
    return Street(
        points=points,
        yaws=yaws,
        num_lanes=len(along),
        lane_width=gap,
        sidewalk=SIDEWALK_WIDTH,
        reaches=(0.0, 0.0),
        openings=np.zeros((2, 2), bool),
        lit=(False, False),
        centre_line=_centre_line(layout, points[len(points) // 2]),
    )


def _centre_line(layout: Layout, middle: np.ndarray) -> LineKind:
    painted = (LineKind.SOLID, LineKind.BROKEN, LineKind.SOLID_SOLID)
    best, kind = 1.0, LineKind.BROKEN
    for line, found in zip(layout.lines(), layout.line_kinds.tolist(), strict=True):
        if found in painted and len(line) > 1:
            gap = float(np.hypot(*(resample(line[:, :2])[0] - middle).T).min())
            if gap < best:
                best, kind = gap, LineKind(found)
    return kind


def _mouth(street: Street, at_end: bool) -> np.ndarray:
    """x, y and the heading out of the junction [3] at an end of a street."""
    row = -1 if at_end else 0
    yaw = street.yaws[row] + (np.pi if at_end else 0.0)
    return np.array([*street.points[row], yaw])


def _junction_of(
    legs: tuple[tuple[int, bool], ...], streets: list[Street], layout: Layout, outline: np.ndarray
) -> RecordedJunction:
    mouths = np.array([_mouth(streets[k], at_end) for k, at_end in legs])
    # where the lines through the mouths meet, in the sense of least squares
    normals = np.stack([-np.sin(mouths[:, 2]), np.cos(mouths[:, 2])], axis=-1)
    node = np.linalg.lstsq(normals, (normals * mouths[:, :2]).sum(1), rcond=None)[0]
    if np.hypot(*(node - mouths[:, :2].mean(0))) > 20.0:  # two legs in one line
        node = mouths[:, :2].mean(0)
    boxes, kinds = layout.boxes[:, : BoxColumn.Z], layout.box_kinds
    lit = any(_inside(box, outline) > -8.0 for box in boxes[kinds == LayoutKind.LIGHT])
    signs = []
    for mouth in mouths:
        face = SignFace.NONE
        for sign in (SignFace.STOP, SignFace.YIELD):
            rows = layout.boxes[(kinds == LayoutKind.SIGN) & (layout.box_signs == sign)]
            near = np.hypot(*(rows[:, : BoxColumn.Z] - mouth[:2]).T) < _SIGN_RANGE
            faces = np.cos(rows[:, BoxColumn.YAW] - mouth[2]) > 0.7  # looks at those who come
            if (near & faces).any():
                face = sign
        signs.append(face)
    return RecordedJunction(node=node, legs=legs, lit=lit, signs=tuple(signs))


def _joined(streets: list[Street], junctions: list[RecordedJunction]) -> list[Street]:
    """The streets with what they know of the junctions at their ends."""
    reaches = [list(street.reaches) for street in streets]
    openings = [street.openings.copy() for street in streets]
    lit = [list(street.lit) for street in streets]
    for junction in junctions:
        mouths = {leg: _mouth(streets[leg[0]], leg[1]) for leg in junction.legs}
        for (k, at_end), mouth in mouths.items():
            reaches[k][at_end] = float(np.hypot(*(junction.node - mouth[:2])))
            lit[k][at_end] = junction.lit
            for other, there in mouths.items():
                if other != (k, at_end):
                    turn = wrap_angle(there[2] - mouth[2])  # as one looks out of the junction
                    if np.pi / 4 < abs(turn) < 3 * np.pi / 4:
                        to_the_left = (turn > 0) != at_end
                        openings[k][int(at_end), 0 if to_the_left else 1] = True
    return [
        replace(street, reaches=(r[0], r[1]), openings=o, lit=(one[0], one[1]))
        for street, r, o, one in zip(streets, reaches, openings, lit, strict=True)
    ]


def _things_of(layout: Layout, streets: list[Street]) -> dict[tuple[int, int], Things]:
    kinds, _ = thing_kinds(layout)
    places = layout.boxes[:, : BoxColumn.Z]
    measured = [street.coordinates(places) for street in streets]
    distances = np.stack([distance for _, _, distance in measured])
    owner = distances.argmin(0)
    nearest = distances.min(0)
    things = {}
    for k, (street, (_, t, _)) in enumerate(zip(streets, measured, strict=True)):
        for side in (LEFT, RIGHT):
            own = (owner == k) & (kinds >= 0) & (nearest < THING_RANGE) & (np.sign(t) == side)
            things[k, side] = things_beside(layout, np.flatnonzero(own), street, side)
    return things


def read_towns(store: FrameStore) -> tuple[list[RecordedTown], list[np.ndarray]]:
    """The towns of a recording, each once, and for each the limits that were driven under there: lanes each way of a
    street and its limit, float64 [k, 2] [-, m/s]. Episodes of which the layout is not known tell nothing."""
    towns: dict[str, RecordedTown] = {}
    limits: dict[str, list[np.ndarray]] = {}
    for episode, (layout, start, length) in enumerate(zip(store.layouts, store.starts, store.lengths, strict=True)):
        if layout.digest == UNKNOWN:
            continue
        if layout.digest not in towns:
            whole = store.layouts[episode].read()
            if not (whole.ground_known and whole.boxes_known):
                continue
            towns[layout.digest] = read_town(whole)
        rows = np.arange(start, start + length, _LIMIT_STRIDE)
        found = _limits_at(towns[layout.digest], store.rows.vehicles[rows], store.rows.scenes[rows])
        limits.setdefault(layout.digest, []).append(found)
    return list(towns.values()), [np.concatenate(limits[digest]) for digest in towns]


def _limits_at(town: RecordedTown, vehicles: np.ndarray, scenes: SceneState) -> np.ndarray:
    """Lanes each way and speed limit of the streets that vehicles [n, 6] are on, [k, 2]."""
    known = scenes.lane_valid[:, LaneColumn.SPEED_LIMIT]
    places, limits = vehicles[known, :2], scenes.lane[known, LaneColumn.SPEED_LIMIT]
    if not len(places):
        return np.zeros((0, 2))
    found = []
    for street in town.streets:
        gap, at = KDTree(street.points).query(places)
        inside = (gap < street.half_width) & (at > 5) & (at < len(street.points) - 5)
        if inside.any():
            found.append((street.num_lanes, float(np.median(limits[inside]))))
    return np.array(found, np.float64).reshape(-1, 2)
