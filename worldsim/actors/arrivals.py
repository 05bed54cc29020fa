"""Who leaves the traffic around the egos, and who comes in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

import numpy as np

from worldsim.actors.actors import (
    COLOR,
    SIZE,
    STANDING,
    ActorColumn,
    Actors,
    TraitColumn,
)
from worldsim.actors.clip_actors import LEAVE_BEHIND
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import find_courses
from worldsim.actors.kerb_waits import are_on_road
from worldsim.actors.lane_graph import LANE_STEP, LaneGraph, Streets
from worldsim.actors.route_frame import LANE_HALF_WIDTH, ROUTE_FRAME_ARCS, RouteFrame
from worldsim.actors.speed_bound import allowed_speeds
from worldsim.compiled import compiled
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.known_road_users import usual_heights
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.start_clip import USER_RANGE
from worldsim.datatypes.vehicle import VehicleColumn

ARRIVAL_NAMES = ("s", "lateral", "heading", "speed", "length", "width", "kind", "red", "green", "blue")
"""Who comes into range: place on the ego's route, heading relative to it; [m, m, rad, m/s, m, m], ObjectKind; RGB in
[0, 1], NaN where unknown."""


class ArrivalColumn(IntEnum):
    """Columns of ARRIVAL_NAMES."""

    S = 0
    LATERAL = 1
    HEADING = 2
    SPEED = 3
    LENGTH = 4
    WIDTH = 5
    KIND = 6
    RED = 7
    GREEN = 8
    BLUE = 9


ARRIVAL_COLOR = slice(ArrivalColumn.RED, ArrivalColumn.BLUE + 1)
"""RGB of an arrival."""
LEAVE_RANGE = 68.0
"""Actors that go away from the ego leave here [m]; those who come from farther away come on."""
ARRIVAL_GAP = 8.0
"""Nobody arrives nearer to another than this [m]."""
PARKED_GAP = 2.5
"""Nor nearer to one who is parked [m]."""
ARRIVAL_TRIES = 8
"""Draws a step for all vacant places of a world."""
VIEW_ANGLE = 0.8
"""Who is turned by no more than this from the ego's heading may be in view [rad]."""
IN_VIEW, OUT_OF_VIEW = 55.0, 25.0
"""Nobody arrives on a lane nearer to the ego than this, in view or not [m]; scenes list road users from 60 m on."""
LEADS_ON = 40.0
"""A lane that ends is one to arrive on while as much of it is left [m]."""
BEFORE_JUNCTION = 16.0
"""Nobody arrives nearer to a junction than this [m]."""
LANE_GAP = 14.0
"""Nor on lanes this near to another [m]."""
LEAST_SPEED = 3.0
"""Nor slower than this [m/s]."""
EASE = 0.8
"""Who arrives is no faster than this share of what he may be."""
FOLLOWS_BRAKING = 3.0
"""Nobody arrives where he, or who comes after him, had to brake harder than this [m/s²]."""


def renewed(
    actors: Actors,
    keeps: np.ndarray,
    line: RouteFrame,
    vehicles: np.ndarray,
    after: np.ndarray,
    draws: Sequence[Sequence[int]],
    parked: Sequence[np.ndarray | None] | None,
    streets: Sequence[Streets | None],
    stock: np.ndarray,
    densities: np.ndarray,
    dt: float,
) -> Actors:
    """The actors without those who have left; others come in their place.

    Where lanes are known vehicles come on any of them, while fewer drive around the ego than `densities` say, and
    pedestrians beside the ego's route likewise; elsewhere somebody comes for everyone who leaves. Where nobody has been
    from the first, nobody comes.

    Args:
        actors: after the step.
        keeps: who is held by others and never leaves, bool [b, s].
        line: the egos' routes before the step.
        vehicles: the egos before the step, [b, 6].
        after: and after it.
        draws: as for `ActorModel.step`.
        parked: likewise.
        streets: likewise.
        stock: examples, ARRIVAL_NAMES [k, 10].
        densities: drivers and pedestrians per metre of lane, [2] [1/m].
        dt: length of the step [s].
    """
    states, kinds, vacant = actors.states, actors.kinds, actors.vacant
    left = _leaving(actors, vehicles, after) & (kinds > 0) & ~keeps
    if left.any():
        states, kinds = np.where(left[..., None], 0.0, states), np.where(left, 0, kinds)
        # who was beyond the traffic around the ego from the first is nobody's place in it
        vacant = vacant | (left & (actors.traits[..., TraitColumn.RECURS] > 0))
    if not len(stock):
        return replace(actors, states=states, kinds=kinds, vacant=vacant)
    changed = Actors(states=states.copy(), kinds=kinds.copy(), vacant=vacant.copy(), traits=actors.traits.copy())
    by_lanes = np.array([street is not None and len(street.lanes) > 0 for street in streets])
    by_lanes &= densities.any()
    # whoever comes along the route takes one of these places
    places, kinds_wanted = changed.vacant & ~by_lanes[:, None], np.zeros(len(kinds), np.int64)
    for k in np.flatnonzero(by_lanes).tolist():
        street, rows = streets[k], parked[k] if parked is not None else None
        present = (changed.kinds[k] > 0) & (changed.traits[k, :, TraitColumn.RECURS] > 0)
        if street is None or not (present | changed.vacant[k]).any():
            continue
        found, length = lane_places(street.lanes, after[k])
        wanted, there = densities * length, _numbers_around(changed, k, after[k])
        if there[0] + 0.5 < wanted[0] and len(found):
            _arrive_by_lane(changed, k, found, street, after[k], draws[k], rows, stock, dt)
        if there[1] + 0.5 < wanted[1]:
            places[k], kinds_wanted[k] = changed.kinds[k] == 0, ObjectKind.PEDESTRIAN
    _arrive_by_route(changed, places, kinds_wanted, line, vehicles, after, draws, parked, streets, stock)
    return changed


def lane_places(lanes: LaneGraph, ego: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows of the points of lanes at which vehicles may come into range of an ego [6], and the length of all lanes in
    that range [m]."""
    found = np.empty(len(lanes.points), np.int64)
    inside, num = _survey(
        lanes.points, lanes.point_lanes, lanes.starts, lanes.successors[:, 0], lanes.in_junction, ego, found
    )
    return found[:num], LANE_STEP * inside


@compiled
def _survey(points, point_lanes, starts, successors, in_junction, ego, found):
    inside, num = 0, 0
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    for k in range(len(points)):
        dx, dy = points[k, 0] - ego[0], points[k, 1] - ego[1]
        if dx * dx + dy * dy > LEAVE_RANGE**2:
            continue
        ahead, aside = cos * dx + sin * dy, cos * dy - sin * dx
        if ahead < -LEAVE_BEHIND:
            continue
        inside += 1
        lane = point_lanes[k]
        left = LANE_STEP * (starts[lane + 1] - 1 - k)
        if in_junction[lane] or left < (LEADS_ON if successors[lane] < 0 else BEFORE_JUNCTION):
            continue
        in_view = abs(np.arctan2(aside, ahead)) < VIEW_ANGLE
        if dx * dx + dy * dy >= (IN_VIEW if in_view else OUT_OF_VIEW) ** 2:
            found[num] = k
            num += 1
    return inside, num


def _numbers_around(actors: Actors, k: int, ego: np.ndarray) -> np.ndarray:
    """How many drivers and pedestrians are in range of the ego [6] of world `k`, [2]."""
    offset = actors.states[k, :, :2] - ego[:2]
    yaw, kinds = ego[VehicleColumn.YAW], actors.kinds[k]
    near = np.hypot(offset[:, 0], offset[:, 1]) <= LEAVE_RANGE
    near &= np.cos(yaw) * offset[:, 0] + np.sin(yaw) * offset[:, 1] >= -LEAVE_BEHIND
    walks = kinds == ObjectKind.PEDESTRIAN
    drives = (kinds > 0) & ~walks & (actors.states[k, :, ActorColumn.DRIVES] > 0)
    return np.array([(near & drives).sum(), (near & walks).sum()])


def _arrive_by_lane(
    actors: Actors,
    k: int,
    places: np.ndarray,
    street: Streets,
    ego: np.ndarray,
    draw: Sequence[int],
    parked: np.ndarray | None,
    stock: np.ndarray,
    dt: float,
) -> None:
    """Let a vehicle come into world `k`, which is changed, at one of the points `places` of its lanes, if one of a few
    that are drawn has room."""
    free = np.flatnonzero(actors.kinds[k] == 0)
    fits = stock[(stock[:, ArrivalColumn.KIND] == ObjectKind.CAR) | (stock[:, ArrivalColumn.KIND] == ObjectKind.TRUCK)]
    if not len(free) or not len(fits):
        return
    rng = np.random.default_rng([*draw, 1])
    rows = fits[rng.integers(len(fits), size=ARRIVAL_TRIES)]
    poses = street.lanes.points[places[rng.integers(len(places), size=ARRIVAL_TRIES)]]
    candidates = np.zeros((ARRIVAL_TRIES, len(ActorColumn)))
    candidates[:, :3], candidates[:, ActorColumn.LANE] = poses, np.nan
    candidates[:, ActorColumn.YAW] = wrap_angle(poses[:, 2])
    candidates[:, ActorColumn.SPEED] = np.maximum(rows[:, ArrivalColumn.SPEED], LEAST_SPEED)
    candidates[:, SIZE] = rows[:, [ArrivalColumn.LENGTH, ArrivalColumn.WIDTH]]
    candidates[:, ActorColumn.DRIVES] = 1.0

    others = np.where(actors.kinds[k, :, None] > 0, actors.states[k], np.inf)
    room = _least_distance(candidates[None, :, :2], others[None, :, :2])[0] >= LANE_GAP
    room &= _can_follow(candidates[None], others[None])[0]
    if parked is not None:
        room &= _least_distance(candidates[None, :, :2], parked[None, :, :2])[0] >= PARKED_GAP
    slot, own_ways = free[0], rng.integers(2**31, size=ARRIVAL_TRIES)
    for n in np.flatnonzero(room).tolist():
        states, kinds = actors.states[k].copy(), actors.kinds[k].copy()
        states[slot], kinds[slot] = candidates[n], int(rows[n, ArrivalColumn.KIND])
        ways = np.nan_to_num(actors.traits[k, :, TraitColumn.WAY])
        ways[slot] = own_ways[n]
        ahead = ego[:2] + np.array([[0.0], [30.0]]) * [np.cos(ego[2]), np.sin(ego[2])]
        courses = find_courses(street.lanes, street.light_cycles, street.time, states, kinds, ways, ego, ahead)[[slot]]
        bound = EASE * allowed_speeds(courses, kinds[[slot]], states[[slot], ActorColumn.SPEED], dt)[0]
        if courses[0, CourseColumn.ON_LANE] > 0 and bound >= LEAST_SPEED:
            states[slot, ActorColumn.SPEED] = min(states[slot, ActorColumn.SPEED], bound)
            _put(actors, k, slot, states[slot], rows[n])
            actors.traits[k, slot, TraitColumn.WAY] = ways[slot]  # the way on which it was found to have room
            return


def _put(actors: Actors, k: int, slot: int, state: np.ndarray, row: np.ndarray) -> None:
    """Put an arrival, ARRIVAL_NAMES [10], into a slot of world `k`."""
    kind, traits = int(row[ArrivalColumn.KIND]), actors.traits
    number = traits[k, :, TraitColumn.ID].max() + 1
    actors.states[k, slot], actors.kinds[k, slot], actors.vacant[k, slot] = state, kind, False
    traits[k, slot] = np.nan  # what is not known of it yet
    traits[k, slot, COLOR] = row[ARRIVAL_COLOR]
    traits[k, slot, [TraitColumn.PHASE, TraitColumn.WAITED]] = 0.0
    traits[k, slot, [TraitColumn.HEIGHT, TraitColumn.ID, TraitColumn.RECURS]] = (
        usual_heights(np.array(kind)),
        number,
        1.0,
    )


def _arrive_by_route(
    actors: Actors,
    places: np.ndarray,
    kinds_wanted: np.ndarray,
    line: RouteFrame,
    vehicles: np.ndarray,
    after: np.ndarray,
    draws: Sequence[Sequence[int]],
    parked: Sequence[np.ndarray | None] | None,
    streets: Sequence[Streets | None],
    stock: np.ndarray,
) -> None:
    """Let others come along the egos' routes into worlds that are changed, to `places` [b, s], of the kind that each
    world wants [b], 0 for any."""
    worlds = np.flatnonzero(places.any(-1) & line.known)
    if not len(worlds):
        return
    # all candidates of all worlds at once; few of them find room
    examples = np.stack(_draw_examples(stock, [draws[k] for k in worlds.tolist()]))
    candidates = _arriving(examples, line.points[worlds], vehicles[worlds])
    there = actors.kinds[worlds, :, None] > 0
    taken = np.concatenate([np.where(there, actors.states[worlds, :, :2], np.inf), after[worlds, None, :2]], axis=1)
    room = _least_distance(candidates[..., :2], taken) >= ARRIVAL_GAP
    wanted = kinds_wanted[worlds, None]
    room &= (wanted == 0) | (examples[..., ArrivalColumn.KIND] == wanted)
    room &= _come_by_lanes(candidates, examples, [streets[k] for k in worlds.tolist()], vehicles[worlds])
    room &= _can_follow(candidates, np.where(there, actors.states[worlds], np.inf))
    if parked is not None:
        room &= _have_room_among(candidates, examples, [parked[k] for k in worlds.tolist()])
    for n, k in enumerate(worlds.tolist()):
        arrived: list[np.ndarray] = []
        free = np.flatnonzero(places[k] & (actors.kinds[k] == 0)).tolist()
        for state, row in zip(candidates[n, room[n]], examples[n, room[n]], strict=True):
            if len(arrived) == (1 if wanted[n, 0] else len(free)):
                break
            if arrived and _least_distance(state[None, None, :2], np.stack(arrived)[None, :, :2]) < ARRIVAL_GAP:
                continue
            _put(actors, k, free[len(arrived)], state, row)
            arrived.append(state)


def _leaving(actors: Actors, vehicles: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Who is far from the egos [b, 6] after a step and goes away from them, bool [b, s]."""
    offset = actors.states[..., :2] - after[:, None, :2]
    yaw = after[:, None, VehicleColumn.YAW]
    ahead = np.cos(yaw) * offset[..., 0] + np.sin(yaw) * offset[..., 1]
    distance = np.hypot(offset[..., 0], offset[..., 1])
    far = distance > LEAVE_RANGE
    if far.any():
        pace = after[:, None, VehicleColumn.SPEED], actors.states[..., ActorColumn.SPEED]
        heading = yaw, actors.states[..., ActorColumn.YAW]
        apart = [
            v * (np.cos(a) * offset[..., 0] + np.sin(a) * offset[..., 1]) for v, a in zip(pace, heading, strict=True)
        ]
        far &= (apart[1] > apart[0]) | (distance > USER_RANGE)
    return far | (ahead < -LEAVE_BEHIND)


def _come_by_lanes(
    candidates: np.ndarray, examples: np.ndarray, streets: Sequence[Streets | None], vehicles: np.ndarray
) -> np.ndarray:
    """Which candidates [n, t, 10], ARRIVAL_NAMES [n, t, 10], are on a lane of their direction, or on foot beside the
    road, bool [n, t]; all of them where lanes are not known."""
    fits = np.ones(candidates.shape[:2], bool)
    kinds = examples[..., ArrivalColumn.KIND].astype(np.int64)
    for n, street in enumerate(streets):
        if street is not None and len(street.lanes):
            ids, nowhere = np.arange(kinds.shape[1]), np.zeros((0, 2))
            courses = find_courses(street.lanes, None, 0.0, candidates[n], kinds[n], ids, vehicles[n], nowhere)
            beside = ~are_on_road(street.lanes, candidates[n, :, :2])
            fits[n] = np.where(kinds[n] == ObjectKind.PEDESTRIAN, beside, courses[:, CourseColumn.ON_LANE] > 0)
    return fits


def _can_follow(candidates: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which candidates [n, t, 10] leave room to brake between those who drive their way [n, s, 10], inf for nobody, and
    themselves, bool [n, t]."""
    one, other = candidates[:, :, None], others[:, None]
    d = np.hypot(other[..., 0] - one[..., 0], other[..., 1] - one[..., 1])
    there = np.isfinite(d)
    turn = np.where(there, other[..., ActorColumn.YAW], 0.0) - one[..., ActorColumn.YAW]
    speed = one[..., ActorColumn.SPEED], np.where(there, other[..., ActorColumn.SPEED] * np.cos(turn), 0.0)
    needed = np.abs(speed[0] ** 2 - speed[1] ** 2) / (2 * FOLLOWS_BRAKING)
    too_near = there & (np.abs(np.sin(turn)) < 0.5) & (np.cos(turn) > 0) & (d < ARRIVAL_GAP + needed)
    return ~np.asarray(np.any(too_near, axis=-1))


def _have_room_among(candidates: np.ndarray, examples: np.ndarray, parked: Sequence[np.ndarray | None]) -> np.ndarray:
    """Which candidates [n, t, 10], ARRIVAL_NAMES [n, t, 10], may come into worlds of whose parked [p, 7] one knows all,
    bool [n, t]: none that would be parked itself, and none where one of these is."""
    fits = np.ones(candidates.shape[:2], bool)
    for n, rows in enumerate(parked):
        if rows is not None:
            speed, lateral = examples[n, :, ArrivalColumn.SPEED], examples[n, :, ArrivalColumn.LATERAL]
            kind = examples[n, :, ArrivalColumn.KIND]
            stands = (speed < STANDING) & (kind != ObjectKind.PEDESTRIAN) & (np.abs(lateral) > LANE_HALF_WIDTH)
            near = _least_distance(candidates[n : n + 1, :, :2], rows[None, :, :2])[0] < PARKED_GAP
            fits[n] = ~stands & ~near
    return fits


def _draw_examples(stock: np.ndarray, draws: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """ARRIVAL_TRIES examples of the stock for each of `draws`; worlds with the same one share the generator's work."""
    drawn: dict[tuple[int, ...], np.ndarray] = {}
    for draw in map(tuple, draws):
        if draw not in drawn:
            drawn[draw] = stock[np.random.default_rng(list(draw)).integers(len(stock), size=ARRIVAL_TRIES)]
    return [drawn[tuple(draw)] for draw in draws]


def _least_distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From each of points [n, p, 2] to the nearest of `others` [n, s, 2], [n, p] [m]; inf where there is none."""
    apart = others[:, None] - points[:, :, None]
    return np.hypot(apart[..., 0], apart[..., 1]).min(-1, initial=np.inf)


def _arriving(rows: np.ndarray, points: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """ACTOR_NAMES [n, t, 10] of arrivals ARRIVAL_NAMES [n, t, 10] at their places on the routes [n, p, 2] in front of
    `vehicles` [n, 6]."""
    s, lateral, heading, speed, length, width = np.moveaxis(rows[..., : ArrivalColumn.KIND], -1, 0)
    at = np.clip(np.searchsorted(ROUTE_FRAME_ARCS, s, side="right") - 1, 0, points.shape[1] - 2)
    n = np.arange(len(points))[:, None]
    d = points[n, at + 1] - points[n, at]
    yaw = np.arctan2(d[..., 1], d[..., 0])
    local = points[n, at] + rotate(np.stack([s - ROUTE_FRAME_ARCS[at], lateral], axis=-1), yaw)
    ego_yaw = vehicles[:, None, VehicleColumn.YAW]
    ground = vehicles[:, None, :2] + rotate(local, ego_yaw)

    zero = np.zeros_like(speed)
    moves = (speed > STANDING).astype(np.float64)
    columns = (
        wrap_angle(yaw + heading + ego_yaw),
        speed,
        length,
        width,
        zero,
        moves,
        np.full_like(speed, np.nan),
        zero,
    )
    return np.concatenate([ground, np.stack(columns, axis=-1)], axis=-1)
