"""An endless drive: what its streets depend on, and what is around the ego on one of them. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.layout import Layout, LineKind
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.signals import ROUTE_SIGNAL_NAMES

COMMAND_RANGE = 30.0
"""The route's command tells of a junction from this far before it [m]."""


@dataclass(frozen=True, kw_only=True)
class StreetKind:
    """What a street is like from end to end: lanes each way, their width [m], the paint between its directions."""

    num_lanes: int
    lane_width: float
    centre_line: LineKind


@dataclass(frozen=True, kw_only=True, eq=False)
class Root:
    """Where a made town begins.

    Args:
        x: of the centre line's first point [m].
        y: likewise.
        yaw: of the first street there [rad].
        kind: of the first street.
        occupied: points of what was there before, which streets keep clear of, float64 [n, 2] [m].
        footprints: of what stood there before, which nothing is put on, (x, y, yaw, length, width) float64 [k, 5].
    """

    x: float
    y: float
    yaw: float
    kind: StreetKind
    occupied: np.ndarray
    footprints: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class RoutePiece:
    """A route along one street and through the junction at its end, or any other piece of a route.

    Args:
        points: float64 [r, 2], ROUTE_STEP apart, the first of them where the piece before it ended [m].
        lanes: ROUTE_LANE_NAMES at each of them, float64 [r, 4].
        signals: ROUTE_SIGNAL_NAMES, arc lengths from the first point, float64 [k, 6].
        turns: arc lengths at which junctions begin and end, and the RouteCommand there, float64 [j, 3].
    """

    points: np.ndarray
    lanes: np.ndarray
    signals: np.ndarray
    turns: np.ndarray

    @property
    def length(self) -> float:
        """[m]."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())

    @staticmethod
    def join(pieces: Sequence[RoutePiece]) -> RoutePiece:
        """The pieces one after the other."""
        starts = np.concatenate([[0.0], np.cumsum([piece.length for piece in pieces])])
        signals = [
            piece.signals + np.eye(len(ROUTE_SIGNAL_NAMES))[0] * s for piece, s in zip(pieces, starts, strict=False)
        ]
        turns = [piece.turns + np.array([s, s, 0.0]) for piece, s in zip(pieces, starts, strict=False)]
        # the first point of a piece is the last one of the piece before it
        firsts = [0 if k == 0 else 1 for k in range(len(pieces))]
        return RoutePiece(
            points=np.concatenate([piece.points[k:] for piece, k in zip(pieces, firsts, strict=True)]),
            lanes=np.concatenate([piece.lanes[k:] for piece, k in zip(pieces, firsts, strict=True)]),
            signals=np.concatenate(signals),
            turns=np.concatenate(turns),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EndlessDrive:
    """Everything that an endless drive's streets depend on, but for the model that draws them.

    Args:
        seed: of everything that is drawn.
        root: where the made town begins.
        commands: RouteCommand at its junctions, one after the other, int64 [c]; where a junction has no such way out,
            and after the last one, it is drawn.
        first_lane: lane in which the route begins, counted from 0 at the middle.
        layout: what was there before, around the route to the root.
        light_cycles: its LIGHT_CYCLE_NAMES, float64 [g, 4].
        route: to the root; its last point is that where the made town begins.
    """

    seed: int
    root: Root
    commands: np.ndarray
    first_lane: int
    layout: Layout
    light_cycles: np.ndarray
    route: RoutePiece


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """What is around the ego while it is on one of the streets of an endless drive.

    Args:
        index: of the street, counted from 0.
        layout: of what is around.
        light_cycles: LIGHT_CYCLE_NAMES by light group, float64 [g, 4]; time 0 is that of the drive's beginning.
        route: from behind the ego to the end of what is made.
        next_at: arc length on the route from which on the next stretch is needed [m].
    """

    index: int
    layout: Layout
    light_cycles: np.ndarray
    route: RoutePiece
    next_at: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EndlessPlace:
    """How far an endless drive has come.

    Args:
        drive: on what it depends.
        index: of the ego's street.
        next_at: arc length on the route from which on the next stretch is needed [m].
        turns: of the route, as in RoutePiece.
    """

    drive: EndlessDrive
    index: int
    next_at: float
    turns: np.ndarray

    @staticmethod
    def of(drive: EndlessDrive, stretch: Stretch) -> EndlessPlace:
        """That at the beginning of a stretch."""
        return EndlessPlace(drive=drive, index=stretch.index, next_at=stretch.next_at, turns=stretch.route.turns)


def command_at(turns: np.ndarray, arc: float) -> RouteCommand:
    """The command of a route at an arc length [m]; `turns` as in RoutePiece."""
    near = (turns[:, 0] - COMMAND_RANGE <= arc) & (arc < turns[:, 1])
    return RouteCommand(int(turns[np.argmax(near), 2])) if near.any() else RouteCommand.FOLLOW
