"""Whom each actor has ahead of it. Compiled: these are pairs of all with all."""

from __future__ import annotations

import numpy as np

from worldsim.actors.actors import ActorColumn
from worldsim.actors.route_frame import FrenetPose
from worldsim.compiled import compiled
from worldsim.datatypes.vehicle import VehicleModel

FREE = 60.0
"""The gap of who has a free way ahead [m]."""
SAME_LANE = 1.6
"""Who is this far beside an actor is not in its way [m]."""
EGO_LENGTH, EGO_WIDTH = VehicleModel().length, VehicleModel().width
"""What others take for the ego's size [m]."""
_X, _Y, _YAW = int(ActorColumn.X), int(ActorColumn.Y), int(ActorColumn.YAW)
_SPEED, _LENGTH = int(ActorColumn.SPEED), int(ActorColumn.LENGTH)


def find_leads(
    in_ego_frame: np.ndarray, kinds: np.ndarray, pose: FrenetPose, ego_speed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bumper-to-bumper gap [m] of each actor to the nearest road user or ego ahead of it, and that one's speed along
    the actor's heading [m/s], each [n, s]; FREE and its own speed where the way is free.

    Args:
        in_ego_frame: the actors, ACTOR_NAMES in the vehicle frame, [n, s, 10].
        kinds: ObjectKind, [n, s].
        pose: theirs along the routes, [n, s].
        ego_speed: [n] [m/s].
    """
    gap, lead_speed = np.full(kinds.shape, FREE), in_ego_frame[..., ActorColumn.SPEED].copy()
    _find(in_ego_frame, kinds, pose.s, pose.lateral, pose.heading, pose.on, ego_speed, gap, lead_speed)
    return gap, lead_speed


@compiled
def _find(actors, kinds, arcs, laterals, headings, on, ego_speed, gaps, lead_speeds):
    num = kinds.shape[1]
    for n in range(len(kinds)):
        for i in range(num):
            if kinds[n, i] == 0:
                continue
            yaw, length = actors[n, i, _YAW], actors[n, i, _LENGTH]
            cos, sin = np.cos(yaw), np.sin(yaw)
            way = -1.0 if np.cos(headings[n, i]) < 0 else 1.0
            nearest = np.inf
            # the last one is the ego, at the origin
            for j in range(num + 1):
                is_ego = j == num
                if j == i or not (is_ego or kinds[n, j] > 0):
                    continue
                dx = (0.0 if is_ego else actors[n, j, _X]) - actors[n, i, _X]
                dy = (0.0 if is_ego else actors[n, j, _Y]) - actors[n, i, _Y]
                if on[n, i]:  # along the route, in a bend too
                    lateral = 0.0 if is_ego else laterals[n, j]
                    in_way = (is_ego or on[n, j]) and abs(lateral - laterals[n, i]) < SAME_LANE
                    ahead = way * ((0.0 if is_ego else arcs[n, j]) - arcs[n, i])
                else:  # straight ahead
                    in_way = abs(cos * dy - sin * dx) < SAME_LANE
                    ahead = cos * dx + sin * dy
                gap = ahead - ((EGO_LENGTH if is_ego else actors[n, j, _LENGTH]) + length) / 2
                # who is beside is not ahead
                if in_way and gap > 0 and gap < nearest:
                    nearest = gap
                    turn = (0.0 if is_ego else actors[n, j, _YAW]) - yaw
                    speed = ego_speed[n] if is_ego else actors[n, j, _SPEED]
                    lead_speeds[n, i] = speed * np.cos(turn)
            gaps[n, i] = min(nearest, FREE)
