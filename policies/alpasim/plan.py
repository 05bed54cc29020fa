"""Plan: what a driver answers, poses over time, checked before anything follows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from carla_driver_interface import protocol

from policies.alpasim.rig import TICKS, centre_poses, relative_poses
from worldsim.datatypes.vehicle import VehicleModel

FARTHEST_BEGIN = 50.0
"""A plan that begins farther from the car is in another frame than it should be [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Poses of the ego's centre in the ground frame, for a while ahead.

    Args:
        times: rising, at least one, float64 [k] [s].
        poses: x, y, yaw at these, float64 [k, 3].
    """

    times: np.ndarray
    poses: np.ndarray

    @staticmethod
    def read(message: protocol.Trajectory, model: VehicleModel) -> Plan | None:
        """A driver's answer; None of an empty one.

        Raises:
            ValueError: a value is not finite, a pose has no rotation, or times do not rise; names the pose.
        """
        if not message.poses:
            return None
        ticks = np.array([entry.timestamp_us for entry in message.poses], np.int64)
        vecs, quats = ([getattr(entry.pose, part) for entry in message.poses] for part in ("vec", "quat"))
        points = np.array([[v.x, v.y, v.z] for v in vecs], np.float64)
        turns = np.array([[q.w, q.x, q.y, q.z] for q in quats], np.float64)
        _check(ticks, points, turns)

        w, x, y, z = (turns / np.linalg.norm(turns, axis=1, keepdims=True)).T
        yaw = np.unwrap(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
        rigs = np.stack([points[:, 0], points[:, 1], yaw], axis=-1)
        return Plan(times=ticks / TICKS, poses=centre_poses(rigs, model))

    def goes_beyond(self, time: float) -> bool:
        """Whether it is of use at `time` [s]. Drivers of carla_driver_interface answer with the car's pose of now alone
        where AlpaSim's answer with an empty plan."""
        return bool(self.times[-1] > time + 0.5 / TICKS)

    def check_covers(self, time: float, place: np.ndarray) -> None:
        """See that it is a plan for a car that is at `place` [2] [m] at `time` [s].

        Raises:
            ValueError: it is over by then, or is far away.
        """
        if self.times[-1] < time - 0.5 / TICKS:
            raise ValueError(f"ends at {self.times[-1]:.3f} s, and it is {time:.3f} s")
        away = float(np.hypot(*(self.poses[0, :2] - place)))
        if away > FARTHEST_BEGIN:
            raise ValueError(f"begins {away:.0f} m from the car: its poses must be in the local frame, not in the rig")

    def waypoints(self, vehicle: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Where the centre is to be at `times` [m] [s], float64 [m, 2] in the vehicle frame of VEHICLE_NAMES [6]; after
        the plan's end it goes on as fast, and straight on."""
        poses = relative_poses(self.poses, vehicle[:3])[:, :2]
        points = np.stack([np.interp(times, self.times, poses[:, k]) for k in range(2)], axis=-1)
        if len(self.times) > 1:
            velocity = (poses[-1] - poses[-2]) / (self.times[-1] - self.times[-2])
            points += np.maximum(times - self.times[-1], 0.0)[:, None] * velocity
        return points


def _check(ticks: np.ndarray, points: np.ndarray, turns: np.ndarray) -> None:
    finite = np.isfinite(points).all(axis=1) & np.isfinite(turns).all(axis=1)
    if not finite.all():
        k = int(finite.argmin())
        raise ValueError(f"has the position {points[k].tolist()} and rotation {turns[k].tolist()} in pose {k}")
    norms = np.linalg.norm(turns, axis=1)
    if norms.min() < 1e-6:
        raise ValueError(f"has no rotation in pose {int(norms.argmin())}: its quaternion is 0")
    steps = np.diff(ticks)
    if (steps <= 0).any():
        k = int((steps <= 0).argmax())
        raise ValueError(f"goes from {ticks[k]} µs to {ticks[k + 1]} µs at pose {k + 1}: times must rise")
