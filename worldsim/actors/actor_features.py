"""What each road user acts upon, as the inputs of the ActorModel's network. Compiled: it is asked for in every step."""

from __future__ import annotations

import numpy as np

from worldsim.actors.actors import ActorColumn
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.leads import FREE
from worldsim.actors.route_frame import FrenetPose
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

NUM_FEATURES = 42
SPEED_UNIT, GAP_UNIT = 10.0, 30.0
"""Of speeds [m/s] and gaps [m] among the features."""
YAW_RATE_UNIT = 0.2
"""Of yaw rates [rad/s]."""
_PLACE, _EGO, _TRAFFIC = 8, 16, 22
"""Where features begin that tell of an actor's place, of the ego, and of what is ahead."""

_X, _Y, _YAW, _SPEED = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW), int(ActorColumn.SPEED)
_YAW_RATE, _DRIVES = int(ActorColumn.YAW_RATE), int(ActorColumn.DRIVES)
_ACCELERATION = int(ActorColumn.ACCELERATION)
_CAR, _TRUCK, _PEDESTRIAN = int(ObjectKind.CAR), int(ObjectKind.TRUCK), int(ObjectKind.PEDESTRIAN)
_RED, _YELLOW, _GREEN = int(SignalKind.RED), int(SignalKind.YELLOW), int(SignalKind.GREEN)
_STOP_SIGN, _YIELD_SIGN = int(SignalKind.STOP), int(SignalKind.YIELD)
_C = {column.name: int(column) for column in CourseColumn}
_ON, _LATERAL, _HEADING, _CURVE = _C["ON_LANE"], _C["LATERAL"], _C["HEADING"], _C["CURVE_SPEED"]
_BEND_FAR, _BEND_BEYOND = _C["BEND_FAR"], _C["BEND_BEYOND"]
_GAP, _LEAD_SPEED, _SIGNAL, _SIGNAL_DISTANCE = _C["GAP"], _C["LEAD_SPEED"], _C["SIGNAL"], _C["SIGNAL_DISTANCE"]
_STOP, _ENTRY, _TURN, _MINOR = _C["STOP"], _C["ENTRY"], _C["TURN"], _C["MINOR"]
_WAIT, _RIVAL_TIME, _LIMIT = _C["WAIT"], _C["RIVAL_TIME"], _C["SPEED_LIMIT"]


def actor_features(
    in_ego_frame: np.ndarray,
    kinds: np.ndarray,
    pose: FrenetPose,
    ego_speed: np.ndarray,
    courses: np.ndarray,
    speed_limit: np.ndarray,
) -> np.ndarray:
    """What actors act upon, of about unit size, float32 [n, s, NUM_FEATURES].

    Args:
        in_ego_frame: ACTOR_NAMES in the vehicle frame, [n, s, 10].
        kinds: ObjectKind, [n, s].
        pose: theirs along the egos' routes, [n, s].
        ego_speed: [n] [m/s].
        courses: COURSE_NAMES of those on lanes; of the others gap and lead are filled in, [n, s, 18].
        speed_limit: where the ego is, NaN where it is not known, [n] [m/s]; taken for that of lanes whose own is not
            known.
    """
    features = np.empty((*kinds.shape, NUM_FEATURES), np.float32)
    known = (in_ego_frame, kinds, *pose, ego_speed, courses, speed_limit)
    _fill(*(np.ascontiguousarray(value) for value in known), features=features)
    return features


@compiled
def _clip(value, low, high):
    return min(max(value, low), high)


@compiled
def _stop_within(distance, speed):
    """How near the place is where one has to stop, and the braking that this takes."""
    if distance >= FREE:
        return 0.0, 0.0
    return 1 / (1 + distance / 4), _clip(speed**2 / (2 * max(distance, 0.5)) / 3, 0.0, 2.0)


@compiled
def _shown(course, kind):
    """How near a signal is, if it is of that kind."""
    return np.exp(-course[_SIGNAL_DISTANCE] / 20) if course[_SIGNAL] == kind else 0.0


@compiled
def _fill(actors, kinds, arcs, laterals, headings, bends_near, bends_far, on, ego_speed, courses, limits, features):
    for b in range(kinds.shape[0]):
        ego_limit = limits[b] if np.isfinite(limits[b]) else 0.0
        for i in range(kinds.shape[1]):
            row, course, kind = actors[b, i], courses[b, i], kinds[b, i]
            speed, cos, sin = row[_SPEED], np.cos(row[_YAW]), np.sin(row[_YAW])
            ego_ahead, ego_aside = -cos * row[_X] - sin * row[_Y], sin * row[_X] - cos * row[_Y]
            # where it is on its course, and how that bends before it: on its lane, else on the ego's route
            is_on_lane, is_on_route = course[_ON] > 0, 1.0 if on[b, i] else 0.0
            known = 1.0 if is_on_lane else is_on_route
            lateral = course[_LATERAL] if is_on_lane else laterals[b, i]
            heading = course[_HEADING] if is_on_lane else headings[b, i]
            near = course[_BEND_FAR] / 12 if is_on_lane else bends_near[b, i] / 8
            far = course[_BEND_BEYOND] / 24 if is_on_lane else bends_far[b, i] / 16
            aside = known * _clip(lateral / 4, -2.0, 2.0)
            stop, stop_braking = _stop_within(course[_STOP], speed)
            wait, wait_braking = _stop_within(course[_WAIT], speed)
            entry = np.exp(-course[_ENTRY] / 10) if course[_ENTRY] < FREE else 0.0
            acceleration = row[_ACCELERATION]
            limit = course[_LIMIT] if course[_LIMIT] > 0 else ego_limit
            features[b, i, :_PLACE] = (
                speed / SPEED_UNIT,
                min(speed, 1.0),
                row[_DRIVES],
                np.sign(acceleration) if abs(acceleration) > 0.2 else 0.0,
                1.0 if kind == _CAR else 0.0,
                1.0 if kind == _TRUCK else 0.0,
                1.0 if kind == _PEDESTRIAN else 0.0,
                _clip(row[_YAW_RATE] / YAW_RATE_UNIT, -5.0, 5.0),
            )
            features[b, i, _PLACE:_EGO] = (
                known,
                aside,
                abs(aside),
                known * np.cos(heading),
                known * np.sin(heading),
                known * near * speed / YAW_RATE_UNIT,
                known * far * speed / YAW_RATE_UNIT,
                is_on_route * _clip(arcs[b, i] / 50, -1.0, 1.3),
            )
            features[b, i, _EGO:_TRAFFIC] = (
                _clip(ego_ahead / 20, -3.0, 3.0),
                _clip(ego_aside / 10, -3.0, 3.0),
                np.exp(-np.hypot(ego_ahead, ego_aside) / 10),
                cos,
                sin,
                ego_speed[b] / 10,
            )
            features[b, i, _TRAFFIC:] = (
                course[_GAP] / GAP_UNIT,
                1 / (1 + course[_GAP] / 4),
                _clip((course[_LEAD_SPEED] - speed) / 5, -3.0, 3.0),
                course[_ON],
                _clip((course[_CURVE] - speed) / 5, -2.0, 2.0),
                _shown(course, _RED),
                _shown(course, _YELLOW),
                _shown(course, _GREEN),
                _shown(course, _STOP_SIGN),
                _shown(course, _YIELD_SIGN),
                stop,
                stop_braking,
                wait,
                wait_braking,
                np.exp(-course[_RIVAL_TIME] / 3),
                entry,
                entry * course[_TURN],
                course[_MINOR],
                limit / SPEED_UNIT,
                _clip((limit - speed) / 5, -2.0, 2.0) if limit > 0 else 0.0,
            )  # fmt: skip
