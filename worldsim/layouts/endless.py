"""An endless drive: stretch after stretch of a made town, ahead of the ego and forgotten behind it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from worldsim.datatypes.layout import BoxColumn, Layout
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES
from worldsim.layouts.assembly import bare_street, join_layouts, junction_layout, street_layout
from worldsim.layouts.draws import draws_of
from worldsim.layouts.drive import EndlessDrive, Stretch
from worldsim.layouts.layout_model import Exit, LayoutModel
from worldsim.layouts.route_lanes import COMMANDS, RoutePiece, street_piece
from worldsim.layouts.street import Street
from worldsim.layouts.town import MadeTown, Way

BACK = 2
"""So many streets behind the ego's are kept."""
AHEAD = 200.0
"""A stretch goes on at least this far beyond the end of the ego's street [m]: what is farther is not drawn."""
STUB = 12.0
"""So much is shown of the streets beyond the end of one that the route does not take [m]."""
GAP = 1.0
"""What was there before a made street goes where it is nearer to it than this [m]."""


class EndlessTown:
    """Makes the stretches of an endless drive; each is a function of the drive, its index and the model alone.

    Args:
        model: that draws, in float64.
        drive: along which.
    """

    def __init__(self, model: LayoutModel, drive: EndlessDrive) -> None:
        self.drive = drive
        self.town = MadeTown(model, drive.seed, drive.root)
        self._ways: list[Way] = [()]
        self._pieces: list[tuple[RoutePiece, int]] = []
        self._stretches: dict[int, Stretch] = {}
        self._to_do: tuple[int, list[Way]] | None = None

    def way(self, index: int) -> Way:
        """The way to the street of that index on the route."""
        while len(self._ways) <= index:
            k = len(self._ways) - 1
            self._ways.append((*self._ways[k], self._turn(k)))
        return self._ways[index]

    def stretch(self, index: int) -> Stretch:
        """What is around while the ego is on the street of that index; that and the one before are kept."""
        if index not in self._stretches:
            self._stretches = {k: one for k, one in self._stretches.items() if abs(k - index) == 1}
            self._stretches[index] = self._make(index)
        return self._stretches[index]

    def prepare(self, index: int) -> None:
        """Make a part of the stretch of that index, if it is not made yet: its streets, then what stands along a side
        of one of them, in the end the stretch."""
        if index in self._stretches:
            return
        if self._to_do is None or self._to_do[0] != index:
            self._to_do = index, [way for way, _ in self._around(*self._range(index))]
            return
        while self._to_do[1]:
            if self.town.prepare(self._to_do[1][0]):
                return
            del self._to_do[1][0]
        self.stretch(index)

    def _range(self, index: int) -> tuple[int, int]:
        """Indices of the first and last street of a stretch."""
        last = index + 1
        ahead = self.town.street(self.way(last)).length
        while ahead < AHEAD:
            last += 1
            ahead += self.town.street(self.way(last)).length
        return max(0, index - BACK), last

    def _make(self, index: int) -> Stretch:
        first, last = self._range(index)
        layouts, cycles = [], [self.drive.light_cycles if first == 0 else np.zeros((0, len(LIGHT_CYCLE_NAMES)))]
        ground: list[Street] = []
        for way, is_end in self._around(first, last):
            layouts.append(street_layout(self.town, way))
            ground.append(self.town.street(way))
            made, own = junction_layout(self.town, way, sum(len(one) for one in cycles))
            layouts.append(made)
            cycles.append(own)
            if is_end:
                # what branches off elsewhere keeps clear of streets, but not of those beyond their ends
                whole = way == self.way(last)
                beyond = [self.town.course((*way, one)) for one in self.town.junction(way).streets]
                beyond = [street if whole else street.first(STUB) for street in beyond]
                layouts += [bare_street(self.town, street) for street in beyond]
                ground += beyond
        if first == 0:
            layouts.insert(0, _clear_of(self.drive.layout, ground))
        pieces = [self._piece(k) for k in range(first, last + 1)]
        if first == 0:
            pieces.insert(0, self.drive.route)
        route = RoutePiece.join(pieces)
        done = sum(piece.length for piece in pieces[: index - first + 1 + (first == 0)])
        self.town.forget(first - 1)
        return Stretch(
            index=index,
            layout=join_layouts(layouts),
            light_cycles=np.concatenate(cycles),
            route=route,
            next_at=done,
        )

    def _around(self, first: int, last: int) -> Iterator[tuple[Way, bool]]:
        """The streets of a stretch, and whether those beyond its end are only hinted at."""
        for k in range(first, last + 1):
            way = self.way(k)
            yield way, k == last
            if k < last:
                for one in self.town.junction(way).streets:
                    if (*way, one) != self.way(k + 1):
                        yield (*way, one), True

    def _turn(self, index: int) -> Exit:
        """The turn at the end of the street of that index."""
        exits = list(self.town.junction(self._ways[index]).streets)
        if index < len(self.drive.commands):
            for one in exits:
                if COMMANDS[one] == self.drive.commands[index]:
                    return one
        return exits[int(draws_of(self.drive.seed, "turn", *self._ways[index]).integers(len(exits)))]

    def _piece(self, index: int) -> RoutePiece:
        while len(self._pieces) <= index:
            k = len(self._pieces)
            way = self.way(k)
            lane = self._pieces[-1][1] if self._pieces else self.drive.first_lane
            _, cycles = junction_layout(self.town, way, 0)
            self._pieces.append(street_piece(self.town, way, self.way(k + 1)[-1], lane, cycles))
        return self._pieces[index][0]


def _clear_of(layout: Layout, streets: list[Street]) -> Layout:
    """A layout without its boxes, areas and lines that lie on made streets."""
    boxes = layout.boxes
    reach = 0.5 * np.hypot(boxes[:, BoxColumn.LENGTH], boxes[:, BoxColumn.WIDTH])
    places = boxes[:, : BoxColumn.Z]
    box_on = _least([street.coordinates(places)[2] - street.edge for street in streets], len(boxes)) < reach + GAP
    area_on, line_on = (
        _mostly_on(points[:, :2], starts, streets)
        for points, starts in (
            (layout.area_points, layout.area_starts),
            (layout.line_points, layout.line_starts),
        )
    )
    return layout.select(~box_on, ~area_on, ~line_on)


def _mostly_on(points: np.ndarray, starts: np.ndarray, streets: list[Street]) -> np.ndarray:
    """Whether more than half of the points of each polyline lie on the carriageway of some street, bool [k]: what only
    touches a street where it begins is what the street goes on from."""
    counts = np.diff(starts)
    owner = np.repeat(np.arange(len(counts)), counts)
    found = np.zeros(len(counts), bool)
    for street in streets:
        inside = street.coordinates(points)[2] < street.half_width if len(points) else np.zeros(0, bool)
        found |= np.bincount(owner[inside], minlength=len(counts)) > 0.5 * counts
    return found


def _least(values: list[np.ndarray], count: int) -> np.ndarray:
    """The least of each of `count`, inf of none [count]."""
    return np.min([np.full(count, np.inf), *values], axis=0)
