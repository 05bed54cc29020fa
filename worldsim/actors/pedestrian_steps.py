"""Where pedestrians must not walk: into vehicles and right before those that move. Compiled: these are pairs of all
with all."""

from __future__ import annotations

import numpy as np

from worldsim.actors.actors import ActorColumn
from worldsim.actors.leads import EGO_LENGTH, EGO_WIDTH
from worldsim.compiled import compiled
from worldsim.datatypes.scene import ObjectKind

STEP_AHEAD, STEP_MARGIN = 0.9, 0.4
"""A pedestrian does not walk where a vehicle is this far ahead, or this near beside that place [m]."""
CLEARS = 1.2
"""Nor where one will be within this time [s]."""
DIRECTIONS = 16
"""Ways out that are tried all around [1]."""
WAY_OUT = 5
"""Steps that one looks ahead along each [1]."""

_X, _Y, _YAW, _SPEED = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW), int(ActorColumn.SPEED)
_LENGTH, _WIDTH = int(ActorColumn.LENGTH), int(ActorColumn.WIDTH)
_PEDESTRIAN = int(ObjectKind.PEDESTRIAN)


def turns_from_vehicles(in_ego_frame: np.ndarray, kinds: np.ndarray, ego_speed: np.ndarray) -> np.ndarray:
    """By how much pedestrians [b, s] have to turn to walk out of the way of vehicles, where they would walk into one or
    right before one that moves: to where they can walk farthest, and as little as possible [rad]; NaN for all others.
    The ego, at the origin, is a vehicle too.

    Args:
        in_ego_frame: ACTOR_NAMES in the vehicle frame, [b, s, 10].
        kinds: ObjectKind, [b, s].
        ego_speed: [b] [m/s].
    """
    turns = np.full(kinds.shape, np.nan)
    if (kinds == ObjectKind.PEDESTRIAN).any():
        _find(in_ego_frame, kinds, ego_speed, turns)
    return turns


@compiled
def _is_in_way(x, y, vehicle):
    """Whether a place is where a vehicle is, or soon will be: x, y, yaw, speed, length, width."""
    cos, sin = np.cos(vehicle[2]), np.sin(vehicle[2])
    dx, dy = x - vehicle[0], y - vehicle[1]
    ahead, aside = cos * dx + sin * dy, cos * dy - sin * dx
    back = vehicle[4] / 2 + STEP_MARGIN
    front = back + max(CLEARS * vehicle[3], 0.0)
    return -back < ahead < front and abs(aside) < vehicle[5] / 2 + STEP_MARGIN


@compiled
def _is_blocked(x, y, yaw, vehicles, num):
    """Whether a step from a place leads into the way of one of the vehicles [m, 6]; who is in it had better walk on."""
    there_x, there_y = x + STEP_AHEAD * np.cos(yaw), y + STEP_AHEAD * np.sin(yaw)
    blocked = False
    for j in range(num):
        blocked = blocked or (_is_in_way(there_x, there_y, vehicles[j]) and not _is_in_way(x, y, vehicles[j]))
    return blocked


@compiled
def _free_steps(x, y, yaw, vehicles, num):
    """How many steps one can walk in a direction, WAY_OUT at most."""
    for k in range(WAY_OUT):
        ahead = STEP_AHEAD * k
        if _is_blocked(x + ahead * np.cos(yaw), y + ahead * np.sin(yaw), yaw, vehicles, num):
            return k
    return WAY_OUT


@compiled
def _find(actors, kinds, ego_speed, turns):
    vehicles = np.zeros((kinds.shape[1] + 1, 6))
    for b in range(len(kinds)):
        vehicles[0] = (0.0, 0.0, 0.0, ego_speed[b], EGO_LENGTH, EGO_WIDTH)
        num = 1
        for j in range(kinds.shape[1]):
            if kinds[b, j] > 0 and kinds[b, j] != _PEDESTRIAN:
                row = actors[b, j]
                vehicles[num] = (row[_X], row[_Y], row[_YAW], row[_SPEED], row[_LENGTH], row[_WIDTH])
                num += 1
        for i in range(kinds.shape[1]):
            if kinds[b, i] != _PEDESTRIAN:
                continue
            x, y, yaw = actors[b, i, _X], actors[b, i, _Y], actors[b, i, _YAW]
            if not _is_blocked(x, y, yaw, vehicles, num):
                continue
            most = -1
            for k in range(DIRECTIONS):
                turn = (k // 2 + k % 2) * (1 - 2 * (k % 2)) * 2 * np.pi / DIRECTIONS
                steps = _free_steps(x, y, yaw + turn, vehicles, num)
                if steps > most:
                    most, turns[b, i] = steps, turn
