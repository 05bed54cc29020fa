"""How vehicles are held to their course, and how actors move by their rates. Compiled: asked for in every step."""

from __future__ import annotations

import numpy as np

from worldsim.actors.actors import STANDING, ActorColumn
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import BEND_NEAR
from worldsim.actors.lane_graph import LANE_STEP
from worldsim.actors.route_frame import FrenetPose
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind

KEPT_SIDE = 0.8
"""An offset from its lane that a vehicle keeps is at most this; farther off it goes back to the middle [m]."""
LOST_LANE = 2.0
"""Who is this far from the offset that it keeps chooses anew [m]."""
DAMPING = 4.5
"""Vehicles come back to their offset, critically damped, over about twice this way [m]."""
SHARPEST = 0.25
"""Curvature of the way back to a course and along it, at most [1/m]."""

_CAR, _TRUCK = int(ObjectKind.CAR), int(ObjectKind.TRUCK)
_X, _Y, _YAW, _SPEED = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW), int(ActorColumn.SPEED)
_YAW_RATE, _DRIVES, _LANE = int(ActorColumn.YAW_RATE), int(ActorColumn.DRIVES), int(ActorColumn.LANE)
_ACCELERATION = int(ActorColumn.ACCELERATION)
_ON, _LATERAL, _HEADING = int(CourseColumn.ON_LANE), int(CourseColumn.LATERAL), int(CourseColumn.HEADING)
_BEND = int(CourseColumn.BEND_NEAR)


def kept_lanes(lanes: np.ndarray, kinds: np.ndarray, pose: FrenetPose, courses: np.ndarray) -> np.ndarray:
    """Offsets [b, s] that vehicles keep which follow a lane, or drive along the route, either way; NaN for the
    others."""
    kept = np.full(kinds.shape, np.nan)
    laterals, headings, on = (np.ascontiguousarray(value) for value in (pose.lateral, pose.heading, pose.on))
    _keep(np.ascontiguousarray(lanes), kinds, laterals, headings, on, courses, kept)
    return kept


@compiled
def _keep(lanes, kinds, laterals, headings, on, courses, kept):
    for b in range(kinds.shape[0]):
        for i in range(kinds.shape[1]):
            if kinds[b, i] != _CAR and kinds[b, i] != _TRUCK:
                continue
            lateral, chosen = laterals[b, i], 0.0
            if courses[b, i, _ON] > 0:
                lateral = courses[b, i, _LATERAL]
                if abs(lateral) < KEPT_SIDE:
                    chosen = lateral
            elif on[b, i] and abs(np.sin(headings[b, i])) < 0.5:
                if abs(lateral) >= 1.0:
                    chosen = lateral
            else:
                continue
            lane = lanes[b, i]
            kept[b, i] = lane if np.isfinite(lane) and abs(lane - lateral) < LOST_LANE else chosen


def lane_keeping(states: np.ndarray, pose: FrenetPose, courses: np.ndarray) -> np.ndarray:
    """Yaw rates [b, s] [rad/s] that keep vehicles at their offset from their course; NaN for those that keep none.

    With d the offset and e the heading error, d' = sin e and e' = c - k per metre; c = k + (d0 - d)/D² - 2 e/D.
    """
    rates = np.full(states.shape[:2], np.nan)
    laterals, headings, bends = (np.ascontiguousarray(v) for v in (pose.lateral, pose.heading, pose.bend_near))
    _steer(states, laterals, headings, bends, courses, rates)
    return rates


@compiled
def _steer(states, laterals, headings, bends, courses, rates):
    for b in range(states.shape[0]):
        for i in range(states.shape[1]):
            row, course, way = states[b, i], courses[b, i], 1.0
            if not np.isfinite(row[_LANE]):
                continue
            if course[_ON] > 0:
                lateral, error, bend = course[_LATERAL], course[_HEADING], course[_BEND] / (BEND_NEAR * LANE_STEP)
            else:
                lateral, error, bend = laterals[b, i], headings[b, i], bends[b, i] / 8
                if np.cos(error) < 0:  # it comes along the route from its other end
                    way, error = -1.0, error % (2 * np.pi) - np.pi
            miss = min(max(way * (row[_LANE] - lateral), -2.0), 2.0)
            curvature = bend + miss / DAMPING**2 - 2 * error / DAMPING
            rates[b, i] = row[_SPEED] * min(max(curvature, -SHARPEST), SHARPEST)


def integrate(states: np.ndarray, rates: np.ndarray, dt: float) -> np.ndarray:
    """ACTOR_NAMES [..., 10] after `dt` seconds of acceleration and yaw rate [..., 2]; who stands does not turn."""
    moved = np.array(states, np.float64)
    _move(moved.reshape(-1, moved.shape[-1]), np.ascontiguousarray(rates).reshape(-1, 2), float(dt))
    return moved


@compiled
def _move(states, rates, dt):
    for k in range(len(states)):
        row, speed = states[k], states[k, _SPEED]
        # who stands starts by chance, and does not creep away by a small acceleration
        faster = 0.0 if speed < STANDING else max(speed + dt * rates[k, 0], 0.0)
        mean = (speed + faster) / 2
        turn = rates[k, 1] if mean > STANDING else 0.0
        middle = row[_YAW] + turn * dt / 2
        row[_X] += dt * mean * np.cos(middle)
        row[_Y] += dt * mean * np.sin(middle)
        row[_YAW] = (row[_YAW] + turn * dt + np.pi) % (2 * np.pi) - np.pi
        row[_SPEED], row[_YAW_RATE], row[_ACCELERATION] = faster, turn, (faster - speed) / dt
        row[_DRIVES] = max(row[_DRIVES], 1.0 if faster > STANDING else 0.0)
