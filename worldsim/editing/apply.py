"""Applies edits to what stands somewhere: a Layout and parked road users become others, or an error says why not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import (
    BOX_NAMES,
    FOOTPRINT_COLUMNS,
    NO_SIGNAL,
    AreaKind,
    BoxColumn,
    Layout,
    LayoutKind,
    SignFace,
)
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.solid_boxes import TRUNK, solid_footprints
from worldsim.editing.edits import REACH, THINGS, AlongRoute, Color, Edit, Look, LookName, Put, Remove, Repaint
from worldsim.editing.places import (
    RouteLine,
    corners_of,
    describe,
    distance_to_ground,
    distances,
    lie_in_areas,
    locate,
    probe,
)
from worldsim.gbuffer.terrain import MARGIN, Terrain

ROAD = (AreaKind.DRIVABLE, AreaKind.JUNCTION)
"""Ground on which nothing is built."""
OBEYED = (LayoutKind.SIGN, LayoutKind.LIGHT)
"""Drivers obey these whether they are seen or not, so they stay."""
SEARCH = 25.0
"""A place that would be right is looked for so far around [m]."""
_SUGGESTED = [(r * np.cos(a), r * np.sin(a)) for r in np.arange(1.0, SEARCH) for a in np.arange(16) * np.pi / 8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What stands somewhere, after edits.

    Args:
        layout: the boxes among it, and the ground.
        parked: the vehicles and barriers among it.
        parked_rows: which of those before each of the parked is, -1 of one that has been put there, int64 [p].
        look: light and weather that were asked for; None leaves them.
    """

    layout: Layout
    parked: KnownRoadUsers
    parked_rows: np.ndarray
    look: LookName | None


def apply_edits(
    edits: Sequence[Edit],
    layout: Layout,
    *,
    parked: KnownRoadUsers | None = None,
    route: RouteLine | None = None,
    ego: np.ndarray | None = None,
    others: np.ndarray | None = None,
) -> Standing:
    """What stands there when all edits have been made, one after the other; arguments are never written to.

    Args:
        edits: to make.
        layout: what stands and lies there.
        parked: who is parked there; None for nobody.
        route: of the ego, for places along it.
        ego: its box [5]; nothing is put on it.
        others: boxes of those who drive or walk there, [n, 5], likewise.

    Raises:
        ValueError: something cannot be made; names the thing, its place and what would be right. Nothing is made then.
    """
    users = KnownRoadUsers.none() if parked is None else parked
    standing = Standing(layout=layout, parked=users, parked_rows=np.arange(len(users)), look=None)
    moving = [np.zeros((0, 5)) if others is None else others, np.zeros((0, 5)) if ego is None else ego[None]]
    editor = _Editor(standing, route, np.concatenate(moving), num_others=len(moving[0]))
    for edit in edits:
        editor.make(edit)
    return editor.standing


class _Editor:
    """Makes one edit after the other."""

    def __init__(self, standing: Standing, route: RouteLine | None, moving: np.ndarray, num_others: int) -> None:
        self.standing, self.route = standing, route
        self._moving, self._num_others = moving, num_others
        self._terrain = Terrain.of_layout(standing.layout)

    def make(self, edit: Edit) -> None:
        if isinstance(edit, Look):
            self.standing = replace(self.standing, look=edit.name)
            return
        what = edit.thing if isinstance(edit, Put) else "what is to be " + _DONE[type(edit)]
        if not (self.standing.layout.boxes_known and self.standing.layout.ground_known):
            raise ValueError(
                f"{what} at {edit.place}: the layout here is not known; right would be a start that tells it, such as"
                f" one recorded in the reference world"
            )
        if isinstance(edit, Put):
            self._put(edit)
        else:
            self._change(edit, what)

    def _put(self, edit: Put) -> None:
        thing = THINGS[edit.thing]
        point, yaw = locate(edit.place, thing, self.standing.layout, self.route, edit.thing)
        box = np.zeros(len(BOX_NAMES))
        box[:2], box[BoxColumn.YAW], box[BoxColumn.LENGTH :] = point, yaw, edit.size or thing.size
        self._check(edit, box)
        box[BoxColumn.Z] = self._terrain.height(point[None])[0]
        color = edit.color or thing.color
        if isinstance(thing.kind, ObjectKind):
            self.standing = _park(self.standing, thing.kind, box, color)
        else:
            seed = _usual_seed(edit, point) if edit.seed is None else edit.seed
            self.standing = replace(self.standing, layout=_with_box(self.standing.layout, thing.kind, box, color, seed))

    def _check(self, edit: Put, box: np.ndarray) -> None:
        """Refuse a place where the thing cannot stand."""
        point, what = box[:2], f"{edit.thing} at {edit.place}"
        here = f" ({describe(point)})" if isinstance(edit.place, AlongRoute) else ""
        reach = distance_to_ground(self.standing.layout, point)
        if reach > MARGIN:
            raise ValueError(
                f"{what}{here} is outside the map's reach, {reach:.0f} m from its ground; right would be at most"
                f" {MARGIN:g} m"
            )
        if not self._terrain.is_flat and self._has_deck(point):
            raise ValueError(f"{what}{here} is on or under a bridge, where nothing can be put; right would be beside")
        footprint = _solid(edit, box)
        fault = self._fault(edit, footprint, self.standing.layout)
        if fault:
            raise ValueError(f"{what}{here} {fault}; {self._suggest(edit, footprint)}")

    def _fault(self, edit: Put, footprint: np.ndarray, layout: Layout) -> str:
        """Why a footprint [5] is no place for a thing among a layout's; "" where it is one."""
        if not THINGS[edit.thing].may_stand_on_road and lie_in_areas(layout, probe(footprint), ROAD).any():
            return "stands on the road, where only cars, trucks and barriers may"
        solids, rows = solid_footprints(layout)
        inside = np.flatnonzero(overlap(footprint, solids)) if len(solids) else rows[:0]
        if len(inside):
            k = int(rows[inside[0]])
            return f"stands inside a {_name(layout, k)} at {describe(layout.boxes[k])}"
        parked = self.standing.parked
        inside = np.flatnonzero(overlap(footprint, parked.boxes[:, FOOTPRINT_COLUMNS]))
        if len(inside):
            k = int(inside[0])
            return f"stands inside a parked {_user_name(parked, k)} at {describe(parked.boxes[k])}"
        inside = np.flatnonzero(overlap(footprint, self._moving))
        if len(inside):
            k = int(inside[0])
            who = "another road user" if k < self._num_others else "the ego"
            return f"stands inside {who} at {describe(self._moving[k])}"
        return ""

    def _suggest(self, edit: Put, footprint: np.ndarray) -> str:
        # a hundred tries look only at what is near
        nearby = self.standing.layout.crop(footprint[:2], SEARCH + 0.5 * float(np.hypot(*footprint[3:])))
        for shift in _SUGGESTED:
            moved = footprint.copy()
            moved[:2] = (moved[:2] + shift).round(1)
            if not self._fault(edit, moved, nearby):
                return f"right would be {describe(moved)}, for one"
        return f"there is no room for it within {SEARCH:g} m"

    def _has_deck(self, point: np.ndarray) -> bool:
        deck = replace(self._terrain, heights=self._terrain.deck)
        return bool(np.isfinite(deck.height(point[None])[0]))

    def _change(self, edit: Remove | Repaint, what: str) -> None:
        """Take away or repaint the nearest thing."""
        layout, parked = self.standing.layout, self.standing.parked
        point, _ = locate(edit.place, None, layout, self.route, what)
        boxes = np.concatenate([layout.boxes[:, FOOTPRINT_COLUMNS], parked.boxes[:, FOOTPRINT_COLUMNS]])
        apart = distances(boxes, point)
        if not len(apart) or apart.min() > REACH:
            raise ValueError(f"{what} at {edit.place}: nothing stands within {REACH:g} m; {self._nearest(apart)}")
        # of two things around a place the smaller one is meant, not the crown above it
        k = int(np.lexsort((boxes[:, 3] * boxes[:, 4], apart.round(3)))[0])
        if k < len(layout.boxes):
            self._change_box(edit, k)
            return
        row, rows = k - len(layout.boxes), np.arange(len(parked))
        if isinstance(edit, Remove):
            kept = rows != row
            self.standing = replace(self.standing, parked=parked[kept], parked_rows=self.standing.parked_rows[kept])
        else:
            colors = parked.colors.copy()
            colors[row] = edit.color
            self.standing = replace(self.standing, parked=replace(parked, colors=colors))

    def _change_box(self, edit: Remove | Repaint, row: int) -> None:
        layout = self.standing.layout
        if layout.box_kinds[row] in OBEYED:
            raise ValueError(
                f"the {_name(layout, row)} at {describe(layout.boxes[row])} cannot be {_DONE[type(edit)]}: it would be"
                f" obeyed as before; right would be anything but lights and signs"
            )
        if isinstance(edit, Remove):
            everything = [np.ones(len(kinds), bool) for kinds in (layout.area_kinds, layout.line_kinds)]
            kept = np.arange(len(layout.boxes)) != row
            self.standing = replace(self.standing, layout=layout.select(kept, *everything))
            return
        colors, valid = layout.box_colors.copy(), layout.box_color_valid.copy()
        colors[row], valid[row] = edit.color, True
        self.standing = replace(self.standing, layout=replace(layout, box_colors=colors, box_color_valid=valid))

    def _nearest(self, apart: np.ndarray) -> str:
        layout, parked = self.standing.layout, self.standing.parked
        if not len(apart):
            return "nothing stands anywhere here"
        k = int(np.argmin(apart))
        row = k - len(layout.boxes)
        name = _name(layout, k) if row < 0 else f"parked {_user_name(parked, row)}"
        place = describe(layout.boxes[k] if row < 0 else parked.boxes[row])
        return f"the nearest is a {name} at {place}, {apart[k]:.1f} m away"


_DONE = {Remove: "removed", Repaint: "repainted"}


def _solid(edit: Put, box: np.ndarray) -> np.ndarray:
    """What of a box [7] a car can run into, [5]."""
    footprint = box[FOOTPRINT_COLUMNS]
    if THINGS[edit.thing].kind is LayoutKind.TREE:
        footprint[3:] = TRUNK
    return footprint


def _name(layout: Layout, row: int) -> str:
    return LayoutKind(int(layout.box_kinds[row])).name.lower()


def _user_name(users: KnownRoadUsers, row: int) -> str:
    kind = ObjectKind(int(users.kinds[row]))
    return "barrier" if kind == ObjectKind.STATIC else kind.name.lower()


def _usual_seed(edit: Put, point: np.ndarray) -> int:
    """A seed that follows from thing and place: the same edit looks the same wherever it is made."""
    seed = zlib.crc32(f"{edit.thing} {point[0]:.2f} {point[1]:.2f}".encode())
    # the seed of a tree and of a building says which it is: broadleaf, and with a gable roof where it is low
    return 4 * (seed // 4) + 1 if edit.thing == "tree" else 8 * (seed // 8) + 1


def _with_box(layout: Layout, kind: LayoutKind, box: np.ndarray, color: Color, seed: int) -> Layout:
    def added(values: np.ndarray, value) -> np.ndarray:
        return np.concatenate([values, np.array([value], values.dtype).reshape(1, *values.shape[1:])])

    return replace(
        layout,
        boxes=added(layout.boxes, box),
        box_kinds=added(layout.box_kinds, int(kind)),
        box_colors=added(layout.box_colors, color),
        box_color_valid=added(layout.box_color_valid, True),
        box_seeds=added(layout.box_seeds, seed),
        box_signals=added(layout.box_signals, NO_SIGNAL),
        box_signs=added(layout.box_signs, int(SignFace.NONE)),
    )


def _park(standing: Standing, kind: ObjectKind, box: np.ndarray, color: Color) -> Standing:
    put = KnownRoadUsers(
        kinds=np.array([int(kind)], np.int64),
        boxes=box[None],
        speeds=np.zeros(1),
        colors=np.array([color], np.float64),
        braking=np.zeros(1, bool),
        phases=np.zeros(1),
        parked=np.ones(1, bool),
    )
    return replace(
        standing,
        parked=KnownRoadUsers.concatenate([standing.parked, put]),
        parked_rows=np.append(standing.parked_rows, -1),
    )


def stand_on_road(layout: Layout, boxes: np.ndarray) -> np.ndarray:
    """Which of boxes [n, 5] have a corner or their middle on the road, bool [n]."""
    if not len(boxes):
        return np.zeros(0, bool)
    points = np.concatenate([corners_of(box) for box in boxes])
    return np.any(lie_in_areas(layout, points, ROAD).reshape(len(boxes), -1), axis=1)


def check_ground(given: Layout, own: Layout, where: str) -> None:
    """Refuse a layout whose ground is not that of the world it is given to.

    Raises:
        ValueError: it is not.
    """
    names = ("area_points", "area_kinds", "line_points", "line_kinds")
    for name in names:
        if not np.array_equal(getattr(given, name), getattr(own, name)):
            raise ValueError(
                f"layout: its {name} are not those of {where}; right would be that world's own layout(), with other"
                f" boxes: roads, areas and lines belong to the map"
            )
