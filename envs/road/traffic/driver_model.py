"""How background drivers choose their speed: curves, leaders, giving way. Vectorised, numpy only.

`n` drivers look along their paths: `paths` [n, p, 2] and `path_yaws` [n, p] begin at the driver and have a point
every PATH_STEP metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.idm import IDMConfig
from worldsim.datatypes.boxes import wrap_angle

PATH_STEP = 2.0
"""Distance between path points [m]."""
CORRIDOR_MARGIN = 0.3
"""Added to the half widths of driver and object to get the driver's corridor [m]."""
CONFLICT_DISTANCE = 2.6
"""Paths nearer to each other than this cross or merge [m]."""
CLEARANCE = 6.0
"""A crossing vehicle blocks this much of the other's path [m]."""


@dataclass(frozen=True, kw_only=True)
class DriverConfig(IDMConfig):
    """How a driver of background traffic drives: IDM, and comfort in curves.

    Args:
        lateral_acceleration: in curves [m/s²].
    """

    lateral_acceleration: float = 2.2


def curve_speed(path_yaws: np.ndarray, config: DriverConfig) -> np.ndarray:
    """The fastest speed [n] from which every curve on the paths can be met with comfort [m/s]."""
    curvature = np.abs(wrap_angle(np.diff(path_yaws, axis=1))) / PATH_STEP
    allowed = config.lateral_acceleration / np.maximum(curvature, 1e-4)
    distance = PATH_STEP * np.arange(curvature.shape[1])
    return np.sqrt(np.min(allowed + 2 * 0.6 * config.comfortable_braking * distance, axis=1))


def leaders(
    paths: np.ndarray,
    path_yaws: np.ndarray,
    sizes: np.ndarray,
    boxes: np.ndarray,
    speeds: np.ndarray,
    margins: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest object in each driver's corridor.

    Args:
        paths: [n, p, 2].
        path_yaws: [n, p].
        sizes: length and width of the drivers' vehicles [n, 2].
        boxes: all objects [m, 5]; the first n are the drivers themselves.
        speeds: [m].
        margins: widens the corridor for objects about to enter it [m].

    Returns:
        Bumper-to-bumper gap [n] (infinite when free) and the leader's speed along the path, at least 0 [n].
    """
    n = len(paths)
    d = boxes[None, None, :, :2] - paths[:, :, None]
    nearest = np.argmin(d[..., 0] ** 2 + d[..., 1] ** 2, axis=1)
    rows, columns = np.arange(n)[:, None], np.arange(len(boxes))[None]
    d = d[rows, nearest, columns]

    # where each object stands in the frame of the path point nearest to it, and how much of the path it takes up
    yaw = path_yaws[rows, nearest]
    c, s = np.cos(yaw), np.sin(yaw)
    along, across = c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]
    turn = boxes[None, :, 2] - yaw
    ct, st = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    half_along = (ct * boxes[:, 3] + st * boxes[:, 4]) / 2
    half_across = (st * boxes[:, 3] + ct * boxes[:, 4]) / 2

    ahead = PATH_STEP * nearest + along
    inside = np.abs(across) < half_across + sizes[:, 1:] / 2 + CORRIDOR_MARGIN + margins
    inside &= (ahead > 0.3) & (np.abs(along) < PATH_STEP)
    inside[np.arange(n), np.arange(n)] = False

    gap = np.where(inside, np.maximum(ahead - half_along - sizes[:, :1] / 2, 0.0), np.inf)
    index = np.argmin(gap, axis=1)
    rows = np.arange(n)
    return gap[rows, index], np.maximum(speeds[index] * np.cos(turn[rows, index]), 0.0)


def give_way(
    paths: np.ndarray, speeds: np.ndarray, waited: np.ndarray, other_paths: np.ndarray, other_speeds: np.ndarray
) -> np.ndarray:
    """Distance [n] from each driver's centre to the crossing it must leave to another, infinite when it may go on.

    Whoever reaches a crossing first goes first; long waiting counts as reaching it earlier, so that no ring of
    drivers waits forever. They leave a larger gap to those who do not follow this model (the ego, scripted actors):
    these come after the first n `other_paths`, which are the drivers themselves.

    Args:
        paths: [n, q, 2].
        speeds: [n].
        waited: how long each driver has stood still [s].
        other_paths: [k, q, 2].
        other_speeds: [k].
    """
    n, k = len(paths), len(other_paths)
    own_xy, other_xy = (p.astype(np.float32) for p in (paths, other_paths))
    dx = own_xy[:, None, :, None, 0] - other_xy[None, :, None, :, 0]
    dy = own_xy[:, None, :, None, 1] - other_xy[None, :, None, :, 1]
    close = dx * dx + dy * dy < CONFLICT_DISTANCE**2
    own_close = np.any(close, axis=3)
    own, other = np.argmax(own_close, axis=2), np.argmax(np.any(close, axis=2), axis=2)
    # A conflict at the very beginning of either path is a leader, which `leaders` handles, or too late to yield.
    conflict = np.any(own_close, axis=2) & (own >= 2) & (other >= 1)
    conflict[np.arange(n), np.arange(n)] = False

    patience = 0.7 * waited[:, None]
    arrival = PATH_STEP * own / np.maximum(speeds, 2.0)[:, None]
    leaving = arrival + CLEARANCE / np.maximum(speeds, 3.0)[:, None]
    other_arrival = PATH_STEP * other / np.maximum(other_speeds, 1.0)
    other_leaving = other_arrival + CLEARANCE / np.maximum(other_speeds, 1.0)

    # with drivers of this model it is first come, first served; anyone else gets a margin of a second, whoever is first
    other_patience = np.concatenate([0.7 * waited, np.zeros(k - n)])
    later = arrival - patience > other_arrival - other_patience
    later[:, n:] |= (leaving + 1.0 > other_arrival + patience)[:, n:]
    yields = conflict & later & (other_leaving + 0.5 > arrival)
    return np.min(np.where(yields, PATH_STEP * own, np.inf), axis=1, initial=np.inf)
