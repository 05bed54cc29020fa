"""Messages of the streams: episode state, images, events; bytes out of arrays in our frame. One layout each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgpack
import numpy as np

from envs.carla.coordinates import poses_to_carla
from envs.carla.versions import WireLayout
from envs.carla.weather import sun_angles
from envs.carla_bridge.simulation import ShownWeather
from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind

ACTIVE = 1
"""Actor state without which a client takes an actor for destroyed."""
MAP_CHANGED = 1
"""State bit: a client reads the map again."""


FOGGY = 150.0
"""Visibility at which a fog's density is 37 of CARLA's 100 [m]."""
ANY_TAG = 255
"""Semantic tag that asks for objects of every kind."""
TAG_OF_KIND = {
    LayoutKind.BUILDING: 3,
    LayoutKind.TREE: 9,
    LayoutKind.POLE: 6,
    LayoutKind.SIGN: 8,
    LayoutKind.LIGHT: 7,
    LayoutKind.WALL: 4,
    LayoutKind.OTHER: 22,
}
"""CARLA's semantic tags (CityObjectLabel)."""


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
        speeds: along the own nose, float64 [n] [m/s].
        yaw_rates: float64 [n] [rad/s].
        accelerations: along the own nose and to its left, float64 [n, 2] [m/s²].
        pitches: upwards, float64 [n] [rad].
    """

    ids: np.ndarray
    poses: np.ndarray
    heights: np.ndarray
    speeds: np.ndarray
    yaw_rates: np.ndarray
    accelerations: np.ndarray
    pitches: np.ndarray


def moving_records(layout: WireLayout, motion: Motion) -> np.ndarray:
    """Records [n] of the episode state, vehicle fields still zero."""
    records = np.zeros(len(motion.ids), layout.actor)
    x, y, yaw = poses_to_carla(motion.poses).T
    level, climb = np.cos(motion.pitches), np.sin(motion.pitches)
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    along, right = motion.accelerations[:, 0], -motion.accelerations[:, 1]
    zeros = np.zeros_like(x)
    records["id"], records["state"] = motion.ids, ACTIVE
    records["location"] = np.stack([x, y, motion.heights], -1)
    records["rotation"] = np.stack([np.degrees(motion.pitches), yaw, zeros], -1)
    records["velocity"] = motion.speeds[:, None] * np.stack([level * c, level * s, climb], -1)
    records["angular_velocity"] = np.stack([zeros, zeros, -np.degrees(motion.yaw_rates)], -1)
    ahead = along * level
    records["acceleration"] = np.stack([ahead * c - right * s, ahead * s + right * c, along * climb], -1)
    return records


def episode_state(
    layout: WireLayout, stamp: Stamp, episode: int, dt: float, map_changed: bool, records: np.ndarray
) -> bytes:
    """The message every client waits for, once a frame."""
    header = _header(layout, "episode", stamp)
    state = MAP_CHANGED if map_changed else 0
    return header + layout.episode_header.pack(episode, time.time(), dt, 0, 0, 0, state) + records.tobytes()


def image(layout: WireLayout, kind: str, stamp: Stamp, pixels: np.ndarray, fov: float) -> bytes:
    """Pixels B, G, R, A uint8 [h, w, 4] of a camera ("rgb", "depth" or "semantic") with horizontal field of view `fov`
    [degrees]."""
    height, width = pixels.shape[:2]
    return _header(layout, kind, stamp) + layout.image_header.pack(width, height, fov) + pixels.tobytes()


def weather_parameters(layout: WireLayout, weather: ShownWeather) -> list[float]:
    """WeatherParameters on the wire. CARLA's fog has no unit: the density falls off with how far one can see."""
    azimuth, altitude = sun_angles(weather.sun_direction)
    values = {
        "cloudiness": 100.0 * weather.cloudiness,
        "sun_azimuth_angle": azimuth,
        "sun_altitude_angle": altitude,
        "fog_density": 100.0 * math.exp(-weather.visibility / FOGGY),
        "wetness": 100.0 * weather.wetness,
    }
    return [values.get(name, 0.0) for name in layout.weather]


def environment_objects(boxes: Layout, tag: int) -> list:
    """EnvironmentObject on the wire of each box that a semantic tag asks for, ANY_TAG for all. The lower half of its id
    is the box's seed, of which clients of this project make the surface's detail."""
    ids = np.arange(1, len(boxes.boxes) + 1, dtype=np.uint64) << np.uint64(32) | boxes.box_seeds.astype(np.uint64)
    found = []
    for number, (kind, foot, rotation, box) in enumerate(_boxes(boxes)):
        label = LayoutKind(kind)
        if tag in (ANY_TAG, TAG_OF_KIND[label]):
            name = f"{label.name.title()}_{number}"
            found.append([[foot, rotation], box, int(ids[number]), name, TAG_OF_KIND[label]])
    return found


def level_boxes(boxes: Layout, tag: int) -> list:
    """BoundingBox on the wire of each box that a semantic tag asks for, ANY_TAG for all."""
    return [box for kind, _, _, box in _boxes(boxes) if tag in (ANY_TAG, TAG_OF_KIND[LayoutKind(kind)])]


def light_boxes(boxes: Layout, places: np.ndarray, number: int) -> list:
    """BoundingBox on the wire of each head of a light: those LIGHT boxes to which it is the nearest.

    Args:
        boxes: the layout.
        places: x, y of all lights, float64 [n, 2] [m].
        number: of the light.
    """
    xy = boxes.boxes[:, [BoxColumn.X, BoxColumn.Y]]
    nearest = np.linalg.norm(xy[:, None] - places[None], axis=-1).argmin(-1)
    heads = (boxes.box_kinds == LayoutKind.LIGHT) & (nearest == number)
    return [box for is_head, (_, _, _, box) in zip(heads, _boxes(boxes), strict=True) if is_head]


def _boxes(boxes: Layout) -> Iterator[tuple[int, list, list, list]]:
    """Kind, foot, rotation and BoundingBox of each box, the latter three as on the wire."""
    poses = boxes.boxes[:, [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW]]
    for kind, row, (x, y, yaw) in zip(boxes.box_kinds, boxes.boxes, poses_to_carla(poses), strict=True):
        rotation = [0.0, float(yaw), 0.0]
        half = [0.5 * float(row[column]) for column in (BoxColumn.LENGTH, BoxColumn.WIDTH, BoxColumn.HEIGHT)]
        z = float(row[BoxColumn.Z])
        yield int(kind), [float(x), float(y), z], rotation, [[float(x), float(y), z + half[2]], half, rotation, 0]


def event(layout: WireLayout, kind: str, stamp: Stamp, value: list) -> bytes:
    """A collision, GNSS or IMU message around its msgpack value."""
    return _header(layout, kind, stamp) + msgpack.Packer().pack(value)


def _header(layout: WireLayout, kind: str, stamp: Stamp) -> bytes:
    return layout.sensor_header.pack(
        layout.sensor_types[kind], stamp.frame, stamp.seconds, *stamp.location, *stamp.rotation
    )
