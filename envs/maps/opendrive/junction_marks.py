"""Painted lines within junctions: left out where they run through another lane, since turning lanes lie over each
other and nobody paints their edges across the crossing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from envs.maps.geometry import LEVEL_HEIGHT, LanePolygon, Marking

EDGE_TOLERANCE = 0.3
"""A line this close to the edge of a lane runs along it, not through the lane [m]."""
SHORTEST_PIECE = 5.0
"""What is left of a line that was cut is painted if it is at least this long [m]."""
SHORTEST_MIDDLE_PIECE = 20.0
"""The same for what was cut at both ends: between two crossing lanes [m]."""
_STEP = 1.0
_CROSSED_KINDS = ("driving", "restricted")


class ConnectingRoad(NamedTuple):
    """The lanes of a road through a junction, and what is painted along them."""

    lanes: list[LanePolygon]
    markings: list[Marking]


def clip_markings(roads: Sequence[ConnectingRoad]) -> Iterator[Marking]:
    """The markings of a junction without what runs through the inside of another road's lane; kerbs stay whole.

    Args:
        roads: all that lead through the junction.
    """
    for road in roads:
        yield from (marking for marking in road.markings if marking.kind == "curb")
        painted = [marking for marking in road.markings if marking.kind != "curb"]
        if not painted:
            continue
        lines = [_resample(np.column_stack([marking.points, marking.z])) for marking in painted]
        points = np.concatenate(lines)
        hidden = np.zeros(len(points), bool)
        for other in roads:
            for lane in other.lanes if other is not road else ():
                if lane.kind in _CROSSED_KINDS:
                    hidden |= _runs_through(points, lane)
        ends = np.cumsum([len(line) for line in lines])
        for marking, line, here in zip(painted, lines, np.split(hidden, ends[:-1]), strict=True):
            yield from _pieces(marking, line, here) if here.any() else (marking,)


def _pieces(marking: Marking, points: np.ndarray, hidden: np.ndarray) -> Iterator[Marking]:
    """What is left of a marking, of whose points [n, 3] some are hidden [n]."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], ~hidden, [False]]).astype(np.int8)))
    for first, end in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True):
        piece = points[first:end]
        least = SHORTEST_MIDDLE_PIECE if first > 0 and end < len(points) else SHORTEST_PIECE
        if np.linalg.norm(np.diff(piece[:, :2], axis=0), axis=1).sum() >= least:
            yield replace(marking, points=piece[:, :2], z=piece[:, 2])


def _runs_through(points: np.ndarray, lane: LanePolygon) -> np.ndarray:
    """Which points [n, 3] lie inside of a lane on its level, farther than EDGE_TOLERANCE from both edges, bool [n]."""
    outline, xy = lane.outline, points[:, :2]
    found = ((xy >= outline.min(0)) & (xy <= outline.max(0))).all(1)
    if not found.any():
        return found
    found[found] = _in_polygon(xy[found], outline)
    for edge, z in ((lane.left, lane.left_z), (lane.right, lane.right_z)):
        inside = points[found]
        distance, height = _nearest_on_line(inside[:, :2], edge, z)
        found[found] = (distance > EDGE_TOLERANCE) & (np.abs(height - inside[:, 2]) < LEVEL_HEIGHT)
    return found


def _in_polygon(xy: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Whether points [n, 2] lie inside of a closed outline [k, 2], by the number of its sides to their right."""
    (x, y), ahead = outline.T, np.roll(outline, -1, axis=0)
    above, above_ahead = y > xy[:, 1:], ahead[:, 1] > xy[:, 1:]
    rise = np.where(ahead[:, 1] == y, 1.0, ahead[:, 1] - y)
    crossing = x + (xy[:, 1:] - y) / rise * (ahead[:, 0] - x)
    return ((above != above_ahead) & (xy[:, :1] < crossing)).sum(1) % 2 == 1


def _nearest_on_line(xy: np.ndarray, line: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of points [n, 2] to a line [k, 2] of heights z [k], and its height there, each [n] [m]."""
    along = np.diff(line, axis=0)
    share = ((xy[:, None] - line[:-1]) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    share = np.clip(share, 0.0, 1.0)
    distances = np.linalg.norm(xy[:, None] - line[:-1] - share[..., None] * along, axis=-1)
    rows, nearest = np.arange(len(xy)), distances.argmin(1)
    return distances[rows, nearest], z[nearest] + share[rows, nearest] * np.diff(z)[nearest]


def _resample(points: np.ndarray) -> np.ndarray:
    """A line [n, 3] with further points on it, none farther than _STEP from the next, its own ones kept."""
    lengths = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
    parts = np.maximum(np.ceil(lengths / _STEP).astype(int), 1)
    first = np.concatenate([[0], np.cumsum(parts)])
    at = np.interp(np.arange(first[-1] + 1), first, np.arange(len(points)))
    return np.stack([np.interp(at, np.arange(len(points)), column) for column in points.T], axis=-1)
