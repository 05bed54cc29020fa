"""Right of way at junctions by gap acceptance, from the SceneState alone: where to wait for whom. numpy only.

Each moving vehicle is predicted for a few seconds; where its way crosses the route, the ego waits unless it is through
before the vehicle comes, or comes after it is through. The ego waits for vehicles with priority, and for those that
have none and come all the same: who could not stop any more. Traffic keeps to the right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.idm import IDMConfig
from policies.route_ahead import space_route
from policies.stop_lines import STOP_MARGIN
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectColumn, ObjectKind, RouteCommand, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleModel

TIMES = np.arange(0.0, 5.1, 0.2)
"""Instants at which vehicles are predicted [s]."""
PATH_STEP = 1.0
"""Between the points of the route that they are checked against [m]."""
MOVING = 0.5
"""Whoever is slower waits [m/s]."""
GAP_BEFORE, GAP_AFTER = 1.0, 0.3
"""Time that must be left between the ego's tail and a vehicle that comes after it, and between this one's tail and the
ego's nose [s]."""
EXPECTED_BRAKING = 3.0
"""Whoever has no priority is expected to brake up to this hard for the ego [m/s²]."""
CORRIDOR_MARGIN = 0.5
"""Kept to either side between ego and vehicle [m]."""
CROSSING_SPEED = 4.0
"""With which the ego is expected to turn, and to cross the line of a sign [m/s]."""
STAND_OFF = 1.0
"""How far before the way of another the ego comes to stand [m]."""
LEAST_ANGLE = np.radians(15.0)
"""Between two ways that cross; a flatter one is along the other, which is for who follows a lead."""
LONGEST_CROSSING = 15.0
"""So far along the route two ways cross at the most; what is farther is another crossing [m]."""
ON_ROUTE = 1.5
"""A vehicle that is no farther from the route and heads along it is on it, and a lead [m]."""
TURNING = np.radians(10.0), np.radians(70.0)
"""An oncoming vehicle near the route that has turned left by so much is on its way across."""
TURNED_OFF = np.radians(30.0)
"""Where a route that turns has this heading, it has left the road on which the ego is."""
TURN_RADIUS = 9.0
"""Of its turn [m]."""
ONCOMING = np.radians(100.0), np.radians(195.0)
"""Headings in the vehicle frame of traffic that comes towards an ego that turns left, from before the turn until late
in it; these have priority."""

FAR_AWAY = 1e3
"""[m]."""
_EGO = VehicleModel()


class _Pairs(NamedTuple):
    """Ego and another vehicle, for each pair [k].

    Args:
        enters: along the route from the ego's nose to where the ways begin to cross, FAR_AWAY where they do not [m].
        leaves: from the ego's tail to where they no longer do [m].
        begins: when the other is there [s].
        ends: when it has left [s].
        distance: from the other's front to it [m].
        turns: it turns left across the route.
    """

    enters: np.ndarray
    leaves: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    distance: np.ndarray
    turns: np.ndarray


def find_crossing_gap(scenes: SceneState, desired_speed: np.ndarray, idm: IDMConfig) -> np.ndarray:
    """Distance [n] [m] from the ego's nose to where it must stand to let another vehicle cross; inf without need.

    Args:
        scenes: [n].
        desired_speed: up to which the ego would accelerate, [n] [m/s].
        idm: how hard it accelerates and brakes.
    """
    gaps = np.full(len(desired_speed), np.inf)
    vehicle = (scenes.object_kinds == ObjectKind.CAR) | (scenes.object_kinds == ObjectKind.TRUCK)
    moving = vehicle & (scenes.objects[..., ObjectColumn.SPEED] > MOVING)
    at_junction = (scenes.command != RouteCommand.FOLLOW) & scenes.route_valid.any(axis=1)
    scene, slot = np.nonzero(moving & at_junction[:, None])
    if not len(scene):
        return gaps

    shared, path_of = np.unique(scene, return_inverse=True)
    others = scenes.objects[scene, slot].astype(np.float64)
    pairs = _cross(scenes[shared], path_of, others)

    # if it goes on, the ego is there no earlier than this, and through no later
    mine, speed = scenes[scene], np.maximum(scenes.speed[scene].astype(np.float64), 0.0)
    free = np.maximum(desired_speed[scene], speed)
    enters = np.maximum(pairs.enters, 0.0)
    arrive = _travel_time(enters, speed, free, idm.acceleration)
    slows = (mine.command != RouteCommand.STRAIGHT) | _has_sign(mine)
    slow = np.where(slows, np.minimum(free, CROSSING_SPEED), free)
    braking = speed > slow
    clear = np.where(
        braking,
        2 * enters / (speed + slow) + (pairs.leaves - enters) / slow,
        _travel_time(pairs.leaves, np.minimum(speed, slow), slow, idm.acceleration),
    )

    wanted = others[:, ObjectColumn.SPEED] ** 2 / (2 * np.maximum(pairs.distance, 0.1))
    counts = _has_priority(mine, others) | pairs.turns | (wanted > EXPECTED_BRAKING)
    meets = (clear + GAP_BEFORE > pairs.begins) & (arrive < pairs.ends + GAP_AFTER)
    touches = (clear > pairs.begins) & (arrive < pairs.ends)

    stand = _place_to_stand(mine, pairs.enters)
    can_stop = speed**2 <= 2 * idm.comfortable_braking * np.maximum(stand, 0.0)
    # who can no longer stop in comfort is short of a margin rather than brake hard, and brakes hard rather than collide
    waits = counts & (pairs.enters > 0) & (pairs.enters < FAR_AWAY) & np.where(can_stop, meets, touches)
    np.minimum.at(gaps, scene[waits], np.maximum(stand[waits], 0.0))
    return gaps


def _cross(scenes: SceneState, path_of: np.ndarray, others: np.ndarray) -> _Pairs:
    """Where and when others [k, 6] cross the routes of the scenes `path_of` [k]."""
    arcs, path = space_route(scenes, PATH_STEP)
    with np.errstate(invalid="ignore"):  # beyond a route's end
        steps = np.diff(path, axis=1)
        tangent = np.nan_to_num(np.arctan2(steps[..., 1], steps[..., 0]))
        tangent = np.concatenate([tangent[:, :1], tangent], axis=1)
    path, tangent = path[path_of], tangent[path_of]
    x, y, yaw, turns, follows = _predict(path, tangent, others, scenes.command[path_of] == RouteCommand.STRAIGHT)

    half_width = (_EGO.width + others[:, ObjectColumn.WIDTH]) / 2 + CORRIDOR_MARGIN

    on_path, at_time = np.zeros(tangent.shape, bool), np.zeros(x.shape, bool)
    k = np.flatnonzero(~follows)
    on_path[k], at_time[k] = _meet(arcs, path[k], tangent[k], x[k], y[k], yaw[k], half_width[k])
    found = on_path.any(axis=1)
    half, length, speed = _EGO.length / 2, others[:, ObjectColumn.LENGTH], others[:, ObjectColumn.SPEED]
    first, last = arcs[on_path.argmax(axis=1)], arcs[-1 - on_path[:, ::-1].argmax(axis=1)]
    begins, ends = TIMES[at_time.argmax(axis=1)], TIMES[-1 - at_time[:, ::-1].argmax(axis=1)]
    return _Pairs(
        enters=np.where(found, first - half, FAR_AWAY),
        leaves=np.where(found, last + half, FAR_AWAY),
        begins=np.maximum(begins - length / 2 / speed, 0.0),
        ends=ends + length / 2 / speed,
        distance=begins * speed - length / 2,
        turns=turns,
    )


def _meet(
    arcs: np.ndarray,
    path: np.ndarray,
    tangent: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    yaw: np.ndarray,
    half_width: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Which points of the routes, bool [k, p], and which instants, bool [k, t], belong to the first crossing."""
    apart = (path[:, :, None, 0] - x[:, None]) ** 2 + (path[:, :, None, 1] - y[:, None]) ** 2
    angle = np.abs(wrap_angle(yaw[:, None] - tangent[:, :, None]))
    met = (apart < half_width[:, None, None] ** 2) & (angle > LEAST_ANGLE) & (angle < np.pi - LEAST_ANGLE)
    first = arcs[met.any(axis=2).argmax(axis=1)]
    met &= (arcs < first[:, None] + LONGEST_CROSSING)[:, :, None]
    return met.any(axis=2), met.any(axis=1)


def _predict(
    path: np.ndarray, tangent: np.ndarray, others: np.ndarray, straight_on: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y, yaw at TIMES, each [k, t], whether another turns left across the route, and whether it follows the route,
    as a lead or beside it the other way, both bool [k].

    Those who turn left across it go on in a circle until they are across, the others straight on.

    Args:
        path: of the route, [k, p, 2].
        tangent: its yaw, [k, p].
        others: [k, 6].
        straight_on: the route does not turn at the junction, bool [k].
    """
    x, y, yaw, speed = (
        others[:, c, None] for c in (ObjectColumn.X, ObjectColumn.Y, ObjectColumn.YAW, ObjectColumn.SPEED)
    )
    apart = np.hypot(path[..., 0] - x, path[..., 1] - y)
    along = np.take_along_axis(tangent, apart.argmin(axis=1)[:, None], axis=1)
    turned = wrap_angle(yaw - along - np.pi)
    nearest = apart.min(axis=1)
    turns = (turned > TURNING[0]) & (turned < TURNING[1]) & (nearest[:, None] < TURN_RADIUS)
    left = np.where(turns, np.pi / 2 - turned, 0.0)  # until it is across
    leads = (np.abs(turned[:, 0]) > np.pi - 2 * LEAST_ANGLE) & (nearest < ON_ROUTE)
    # who comes along the road into which the ego turns will cross its turn
    same_road = straight_on | (np.abs(along[:, 0]) < TURNED_OFF)
    follows = ((np.abs(turned[:, 0]) < TURNING[0]) & same_road) | leads

    bent = np.clip(speed * TIMES / TURN_RADIUS, 0.0, np.maximum(left, 0.0))
    straight = speed * TIMES - TURN_RADIUS * bent
    then = yaw + bent
    x = x + TURN_RADIUS * (np.sin(then) - np.sin(yaw)) + straight * np.cos(then)
    y = y - TURN_RADIUS * (np.cos(then) - np.cos(yaw)) + straight * np.sin(then)
    return x, y, then, turns[:, 0], follows


def _has_sign(scenes: SceneState) -> np.ndarray:
    """Whether a yield or stop sign lies ahead, bool [k]."""
    return scenes.signal_valid & ((scenes.signal == SignalKind.YIELD) | (scenes.signal == SignalKind.STOP))


def _has_priority(scenes: SceneState, others: np.ndarray) -> np.ndarray:
    """Whether the ego has to let others [k, 6] go first, bool [k]: all at a yield sign, and after the halt at a stop
    sign; before a turn across their lane those who come towards it."""
    heading = others[:, ObjectColumn.YAW] % (2 * np.pi)
    oncoming = (heading > ONCOMING[0]) & (heading < ONCOMING[1])
    return _has_sign(scenes) | ((scenes.command == RouteCommand.LEFT) & oncoming)


def _place_to_stand(scenes: SceneState, enters: np.ndarray) -> np.ndarray:
    """Distance [k] [m] from the ego's nose to where it waits: before the way of the other, and before the line of a
    yield or stop sign if that comes first."""
    line = scenes.signal_distance.astype(np.float64)
    before_line = np.where(_has_sign(scenes) & (line >= 0), line - STOP_MARGIN, np.inf)
    return np.minimum(enters - STAND_OFF, before_line)


def _travel_time(distance: np.ndarray, speed: np.ndarray, top: np.ndarray, acceleration: float) -> np.ndarray:
    """Time [k] [s] for a distance [k] [m] with constant acceleration [m/s²] from a speed up to the top speed [m/s]."""
    gaining = (top**2 - speed**2) / (2 * acceleration)
    within = np.minimum(distance, gaining)
    time = (np.sqrt(speed**2 + 2 * acceleration * within) - speed) / acceleration
    return time + np.maximum(distance - gaining, 0.0) / np.maximum(top, 0.1)
