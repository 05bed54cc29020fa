"""MadeTown: streets and junctions that a LayoutModel draws, each by the seed and the way that leads to it.

A way is the turns that lead to a street: () is the first one, (LEFT,) the one to the left at its end. What is drawn for
a street depends on the seed, its way, and the streets on that way, never on what was asked for before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree

from worldsim.datatypes.boxes import corners, separation, wrap_angle
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS
from worldsim.layouts.course import DrawnExit, DrawnJunction, draw_course, draw_junction
from worldsim.layouts.draws import draws_of
from worldsim.layouts.drive import Root, StreetKind
from worldsim.layouts.junction import JunctionShape, Leg
from worldsim.layouts.layout_model import Exit, JunctionControl, LayoutModel
from worldsim.layouts.street import LEFT, RIGHT, Street
from worldsim.layouts.strips import draw_things
from worldsim.layouts.things import Things, footprints, to_layout
from worldsim.layouts.vocabulary import Vocabulary

Way = tuple[Exit, ...]

SIDEWALK = 2.0
"""Width of the sidewalks of made streets [m]."""
COURSE_TRIES = 8
"""A course that comes too near to other streets is drawn again so often, then the junction has no such way out."""
CLEARANCE = 50.0
"""Between the centre lines of streets that do not meet [m]."""
ROOM_AHEAD = 110.0
"""So far straight on from its end a street must have room: else it might lead to where there is no way on [m]."""
MEETING_RANGE = 45.0
"""Streets of one junction may be nearer to each other up to this far from its node [m]."""
MEMORY = 350.0
"""Streets that lie farther back along the way than this are forgotten: others may pass where they were [m]."""
MARGIN = 0.5
"""Between what stands beside a street and the outer edge of the sidewalk of another one [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeJunction:
    """The junction at the end of a street.

    Args:
        drawn: what was drawn for it, without ways out for which there was no room.
        node: where the centre lines meet, float64 [2] [m].
        streets: those that lead out, with what they know of this junction alone.
        shape: its ground.
    """

    drawn: DrawnJunction
    node: np.ndarray
    streets: dict[Exit, Street]
    shape: JunctionShape


class MadeTown:
    """A town without end; streets are made when they are first asked for, and kept.

    Args:
        model: that draws, in float64.
        seed: of everything.
        root: where it begins.
    """

    def __init__(self, model: LayoutModel, seed: int, root: Root) -> None:
        self.model, self.seed, self.root = model, seed, root
        self.vocabulary = Vocabulary.of(model)
        self.style = int(draws_of(seed, "style").integers(model.config.num_styles))
        self.has_yellow_lines = bool(draws_of(seed, "paint").random() < float(model.yellow_share))
        self._courses: dict[Way, Street] = {}
        self._junctions: dict[Way, MadeJunction] = {}
        self._proposals: dict[tuple[Way, int], Things] = {}
        self._things: dict[tuple[Way, int], Things] = {}

    def forget(self, before: int) -> None:
        """Drop what was made for streets on ways shorter than `before`; asked for again it is made again, the same."""
        for kept in (self._proposals, self._things):
            for key in [key for key in kept if len(key[0]) < before]:
                del kept[key]

    def street(self, way: Way) -> Street:
        """The street that a way leads to, with all that it knows of the junctions at both its ends."""
        course, junction = self.course(way), self.junction(way)
        openings = course.openings.copy()
        openings[1] = [Exit.LEFT in junction.streets, Exit.RIGHT in junction.streets]
        return replace(
            course,
            reaches=(course.reaches[0], junction.drawn.reach),
            openings=openings,
            lit=(course.lit[0], junction.drawn.control == JunctionControl.LIGHTS),
        )

    def junction(self, way: Way) -> MadeJunction:
        """The junction at the end of the street that a way leads to."""
        if way not in self._junctions:
            self._junctions[way] = self._make_junction(way)
        return self._junctions[way]

    def things(self, way: Way, side: int) -> Things:
        """What stands along a side of the street that a way leads to."""
        key = way, side
        if key not in self._things:
            proposed = self._propose(way, side)
            taken = [self._solid(other, its_side) for other in self._before(way) for its_side in (LEFT, RIGHT)]
            self._things[key] = proposed[self._room(self._solid(way, side), np.concatenate([np.zeros((0, 5)), *taken]))]
        return self._things[key]

    def prepare(self, way: Way) -> bool:
        """Make one of the things that stand along a street that are not made yet; False if there are none."""
        for other in (*self._before(way), way):
            for side in (LEFT, RIGHT):
                if (other, side) not in self._proposals:
                    self._propose(other, side)
                    return True
        for side in (LEFT, RIGHT):
            if (way, side) not in self._things:
                self.things(way, side)
                return True
        return False

    def course(self, way: Way) -> Street:
        """The street before it knows of the junction at its end."""
        if way:
            return self.junction(way[:-1]).streets[way[-1]]
        if way not in self._courses:
            root = self.root
            tree = _tree_of(root.occupied)
            drawn = list(self._candidates(way, root.kind, np.zeros(2, bool), np.array([root.x, root.y]), root.yaw))
            room = [np.inf if tree is None else tree.query(one.points[::4])[0].min() for one in drawn]
            fits = [k for k, size in enumerate(room) if size > CLEARANCE]
            self._courses[way] = drawn[fits[0] if fits else int(np.argmax(room))]
        return self._courses[way]

    def _candidates(
        self, way: Way, kind: StreetKind, openings: np.ndarray, start: np.ndarray, yaw: float
    ) -> Iterator[Street]:
        """Courses of a street, drawn anew each time."""
        for k in range(COURSE_TRIES):
            points, yaws = draw_course(self.model, self.style, kind, openings, draws_of(self.seed, "course", *way, k))
            c, s = np.cos(yaw), np.sin(yaw)
            yield Street(
                points=start + points @ np.array([[c, s], [-s, c]]),
                yaws=wrap_angle(yaws + yaw),
                num_lanes=kind.num_lanes,
                lane_width=kind.lane_width,
                sidewalk=SIDEWALK,
                reaches=(0.0, 0.0),
                openings=np.stack([openings, np.zeros(2, bool)]),
                lit=(False, False),
                centre_line=kind.centre_line,
                speed_limit=self._draw_limit(way, kind.num_lanes),
            )

    def _draw_limit(self, way: Way, num_lanes: int) -> float:
        """The speed limit of the street that a way leads to [m/s]."""
        limits = self.model.speed_limits[min(num_lanes, 2) - 1].tolist()
        return limits[int(draws_of(self.seed, "limit", *way).integers(len(limits)))]

    def _make_junction(self, way: Way) -> MadeJunction:
        street = self.course(way)
        drawn = draw_junction(self.model, self.style, street, draws_of(self.seed, "junction", *way))
        end, yaw = street.points[-1], float(street.yaws[-1])
        node = end + drawn.reach * np.array([np.cos(yaw), np.sin(yaw)])
        occupied = [self.course(other).points for other in self._occupants(way)]
        occupied.append(self.root.occupied)
        others = np.concatenate([street.points, *occupied])
        streets: dict[Exit, Street] = {}
        for exit_way, exit_ in drawn.exits.items():
            made = self._make_exit(way, exit_way, exit_, drawn, node, yaw, others)
            if made is not None:
                streets[exit_way] = made
                others = np.concatenate([others, made.points])
        if not streets:  # there is always a way on: what is in the way is forgotten
            exit_way, exit_ = next(iter(drawn.exits.items()))
            made = self._make_exit(way, exit_way, exit_, drawn, node, yaw, street.points)
            streets[exit_way] = made or self._straight_on((*way, exit_way), exit_, drawn, node, yaw)
        drawn = replace(drawn, exits={one: drawn.exits[one] for one in streets})
        if len(streets) == 1:  # the street goes on, and nothing crosses it
            drawn = replace(drawn, control=JunctionControl.YIELD, has_priority=True)
            streets = {one: replace(only, lit=(False, False)) for one, only in streets.items()}
        streets = {one: self._with_openings(one, streets) for one in streets}
        legs = [_leg(street, at_end=True), *(_leg(one, at_end=False) for one in streets.values())]
        return MadeJunction(drawn=drawn, node=node, streets=streets, shape=JunctionShape(legs=tuple(legs)))

    def _make_exit(
        self,
        way: Way,
        exit_way: Exit,
        exit_: DrawnExit,
        drawn: DrawnJunction,
        node: np.ndarray,
        yaw: float,
        others: np.ndarray,
    ) -> Street | None:
        """A street out of a junction that keeps clear of `others` [n, 2]; None if there is no room for any."""
        out = yaw + exit_.turn
        mouth = node + drawn.reach * np.array([np.cos(out), np.sin(out)])
        openings = np.array([exit_way != Exit.LEFT, exit_way != Exit.RIGHT])
        tree = _tree_of(others[np.hypot(*(others - node).T) > MEETING_RANGE])
        for course in self._candidates((*way, exit_way), exit_.kind, openings, mouth, out):
            if _has_room(course, node, tree):
                lit = drawn.control == JunctionControl.LIGHTS
                return replace(course, reaches=(drawn.reach, 0.0), lit=(lit, False))
        return None

    def _straight_on(self, way: Way, exit_: DrawnExit, drawn: DrawnJunction, node: np.ndarray, yaw: float) -> Street:
        """A straight street of 60 m, at the end of a way."""
        out = yaw + exit_.turn
        ahead = np.array([np.cos(out), np.sin(out)])
        points = node + (drawn.reach + np.arange(61.0))[:, None] * ahead
        return Street(
            points=points,
            yaws=np.full(61, wrap_angle(out)),
            num_lanes=exit_.kind.num_lanes,
            lane_width=exit_.kind.lane_width,
            sidewalk=SIDEWALK,
            reaches=(drawn.reach, 0.0),
            openings=np.zeros((2, 2), bool),
            lit=(drawn.control == JunctionControl.LIGHTS, False),
            centre_line=exit_.kind.centre_line,
            speed_limit=self._draw_limit(way, exit_.kind.num_lanes),
        )

    def _with_openings(self, exit_way: Exit, streets: dict[Exit, Street]) -> Street:
        """A way out with what leaves the junction beside it, as one drives out of it."""
        beside = {
            Exit.STRAIGHT: [Exit.LEFT in streets, Exit.RIGHT in streets],
            Exit.LEFT: [True, Exit.STRAIGHT in streets],  # the street that leads in is to the left
            Exit.RIGHT: [Exit.STRAIGHT in streets, True],
        }
        openings = streets[exit_way].openings.copy()
        openings[0] = beside[exit_way]
        return replace(streets[exit_way], openings=openings)

    def _occupants(self, way: Way) -> Iterator[Way]:
        """The streets that one out of the end of a way must keep clear of, beside that of the way itself."""
        back = 0.0
        for k in range(len(way) - 1, -1, -1):
            at = way[:k]
            for exit_way in self.junction(at).streets:
                if (*at, exit_way) != way[: k + 1]:
                    yield (*at, exit_way)
            yield at
            back += self.course(at).length
            if back > MEMORY:
                return

    def _before(self, way: Way) -> Iterator[Way]:
        """The streets that meet this one and whose things stay where theirs and this one's overlap."""
        if way:
            yield way[:-1]
            for exit_way in self.junction(way[:-1]).streets:
                if exit_way == way[-1]:
                    return
                yield (*way[:-1], exit_way)

    def _neighbours(self, way: Way) -> Iterator[Way]:
        """All streets that meet this one."""
        if way:
            yield way[:-1]
            yield from ((*way[:-1], one) for one in self.junction(way[:-1]).streets if one != way[-1])
        yield from ((*way, one) for one in self.junction(way).streets)

    def _propose(self, way: Way, side: int) -> Things:
        """What would stand there if nothing stood at the streets that meet this one."""
        key = way, side
        if key not in self._proposals:
            street = self.street(way)
            others = [self.course(other) for other in self._neighbours(way)]
            shapes = [self.junction(way).shape, *([self.junction(way[:-1]).shape] if way else [])]
            trees = [KDTree(np.concatenate([other.points, _ends(other)])) for other in others]
            own = KDTree(np.concatenate([street.points, _ends(street)]))

            def is_free(footprint: np.ndarray) -> bool:
                if not self._room(footprint[None], self.root.footprints)[0]:
                    return False
                points = np.concatenate([corners(footprint), footprint[None, :2]])
                if own.query(points)[0].min() < street.edge:
                    return False
                away = float(own.query(footprint[None, :2])[0][0])
                for other, tree in zip(others, trees, strict=True):
                    if tree.query(footprint[None, :2])[0][0] < away or (
                        tree.query(points)[0].min() < other.edge + MARGIN
                    ):
                        return False
                return all(shape.gap(points).min() > 0.0 for shape in shapes)

            rng = draws_of(self.seed, "things", *way, side)
            self._proposals[key] = draw_things(self.model, self.vocabulary, street, side, self.style, rng, is_free)
        return self._proposals[key]

    def _solid(self, way: Way, side: int) -> np.ndarray:
        """Solid footprints [n, 5] of what is proposed for a side of a street."""
        things = self._propose(way, side)
        return footprints(to_layout(things, self.street(way), side).boxes[:, FOOTPRINT_COLUMNS], things.kinds)

    def _room(self, own: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """Which of footprints [n, 5] are clear of others [k, 5], bool [n]."""
        if not len(own) or not len(taken):
            return np.ones(len(own), bool)
        return separation(own[:, None], taken[None]).min(1) > 0.0


def _has_room(course: Street, node: np.ndarray, others: KDTree | None) -> bool:
    """Whether a street out of a node keeps clear of others and of itself, and leaves room to go on at its end."""
    ahead = course.offset(course.length + np.arange(0.0, ROOM_AHEAD, 10.0), 0.0)
    far = np.concatenate([course.points[np.hypot(*(course.points - node).T) > MEETING_RANGE][::4], ahead])
    own = np.concatenate([node[None], course.points[: -int(ROOM_AHEAD)]])
    itself = np.hypot(*(ahead[:, None] - own).T).min()
    returns = np.hypot(*(course.points[60:] - node).T).min(initial=np.inf)
    clear = others is None or others.query(far)[0].min() > CLEARANCE
    return bool(clear and itself > CLEARANCE and returns > MEETING_RANGE)


def _tree_of(points: np.ndarray) -> KDTree | None:
    return KDTree(points) if len(points) else None


def _ends(street: Street) -> np.ndarray:
    """Points of the straight ends of a street's centre line, between its mouths and its nodes [n, 2]."""
    before = np.arange(-street.reaches[0], 0.0, 1.0)
    after = np.arange(street.length + 1.0, street.length + street.reaches[1], 1.0)
    return street.poses(np.concatenate([before, after]))[:, :2]


def _leg(street: Street, *, at_end: bool) -> Leg:
    """The end of a street at the junction it leads into (at_end) or out of."""
    row = -1 if at_end else 0
    x, y = street.points[row].tolist()
    yaw = float(wrap_angle(street.yaws[row] + (np.pi if at_end else 0.0)))
    return Leg(x=x, y=y, yaw=yaw, num_lanes=street.num_lanes, lane_width=street.lane_width, sidewalk=street.sidewalk)
