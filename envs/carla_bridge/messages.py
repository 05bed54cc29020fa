"""Messages of the streams: episode state, images, events; bytes out of arrays in our frame. One layout each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgpack
import numpy as np

from envs.carla.coordinates import poses_to_carla
from envs.carla_bridge.layouts import WireLayout

ACTIVE = 1
"""Actor state without which a client takes an actor for destroyed."""
MAP_CHANGED = 1
"""State bit: a client reads the map again."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """When and where a message was made.

    Args:
        frame: number of the tick.
        seconds: simulated time [s].
        location: of the sensor in CARLA's frame [m].
        rotation: pitch, yaw, roll [degrees].
    """

    frame: int
    seconds: float
    location: Sequence[float] = (0.0, 0.0, 0.0)
    rotation: Sequence[float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """Actors of one frame, in our frame.

    Args:
        ids: int64 [n].
        poses: x, y, yaw, float64 [n, 3] [m, m, rad].
        heights: z, float64 [n] [m].
        speeds: along the own yaw, float64 [n] [m/s].
        yaw_rates: float64 [n] [rad/s].
        accelerations: along and to the left of the own yaw, float64 [n, 2] [m/s²].
        pitches: upwards, float64 [n] [rad].
    """

    ids: np.ndarray
    poses: np.ndarray
    heights: np.ndarray
    speeds: np.ndarray
    yaw_rates: np.ndarray
    accelerations: np.ndarray
    pitches: np.ndarray


def actor_records(layout: WireLayout, motion: Motion) -> np.ndarray:
    """Records [n] of the episode state, vehicle fields still zero."""
    records = np.zeros(len(motion.ids), layout.actor)
    x, y, yaw = poses_to_carla(motion.poses).T
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    along, right = motion.accelerations[:, 0], -motion.accelerations[:, 1]
    zeros = np.zeros_like(x)
    records["id"], records["state"] = motion.ids, ACTIVE
    records["location"] = np.stack([x, y, motion.heights], -1)
    records["rotation"] = np.stack([np.degrees(motion.pitches), yaw, zeros], -1)
    records["velocity"] = np.stack([motion.speeds * c, motion.speeds * s, zeros], -1)
    records["angular_velocity"] = np.stack([zeros, zeros, -np.degrees(motion.yaw_rates)], -1)
    records["acceleration"] = np.stack([along * c - right * s, along * s + right * c, zeros], -1)
    return records


def episode_state(
    layout: WireLayout, stamp: Stamp, episode: int, dt: float, map_changed: bool, records: np.ndarray
) -> bytes:
    """The message every client waits for, once a frame."""
    header = _header(layout, "episode", stamp)
    state = MAP_CHANGED if map_changed else 0
    return header + layout.episode_header.pack(episode, time.time(), dt, 0, 0, 0, state) + records.tobytes()


def image(layout: WireLayout, stamp: Stamp, frame: np.ndarray, fov: float) -> bytes:
    """An RGB image uint8 [h, w, 3] of a camera with horizontal field of view `fov` [degrees]."""
    height, width = frame.shape[:2]
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = frame[..., ::-1], 255
    return _header(layout, "rgb", stamp) + layout.image_header.pack(width, height, fov) + pixels.tobytes()


def event(layout: WireLayout, kind: str, stamp: Stamp, value: list) -> bytes:
    """A collision, GNSS or IMU message around its msgpack value."""
    return _header(layout, kind, stamp) + msgpack.Packer().pack(value)


def _header(layout: WireLayout, kind: str, stamp: Stamp) -> bytes:
    return layout.sensor_header.pack(
        layout.sensor_types[kind], stamp.frame, stamp.seconds, *stamp.location, *stamp.rotation
    )
