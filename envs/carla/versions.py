"""The versions of CARLA that are spoken, one entry each: all that differs between versions stands in this table."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.scene import ObjectKind


@dataclass(frozen=True, kw_only=True, eq=False)
class WireLayout:
    """What goes over the wire in one version of CARLA; little endian, packed.

    Args:
        version: CARLA's release.
        token: of a stream: id, port, protocol, address type, address.
        sensor_header: sensor type, frame, simulated time [s], world location [m] and rotation [degrees].
        episode_header: episode id, platform time [s], step [s], map origin, state bits.
        actor: record of the episode state, vehicle fields of its union included.
        light_actor: the same for a traffic light; a traffic sign has its `sign_id` alone.
        walker_actor: the same for a walker.
        image_header: width, height [px], horizontal field of view [degrees].
        sensor_types: number in the sensor header of each kind of message.
        commands: of `apply_batch`, by number.
        settings: fields of EpisodeSettings with their defaults; None is an empty optional.
        weather: fields of WeatherParameters.
        vehicle_control: fields of VehicleControl.
        ego_blueprint: the ego's where the library has it, for the vehicle model was fitted to it.
        blueprints: of scripted actors, likewise; where the library has them not, one is found by its attributes.
    """

    version: str
    token: struct.Struct
    sensor_header: struct.Struct
    episode_header: struct.Struct
    actor: np.dtype
    light_actor: np.dtype
    walker_actor: np.dtype
    image_header: struct.Struct
    sensor_types: Mapping[str, int]
    commands: tuple[str, ...]
    settings: Mapping[str, bool | float | int | None]
    weather: tuple[str, ...]
    vehicle_control: tuple[str, ...]
    ego_blueprint: str
    blueprints: Mapping[ObjectKind, str]


_ACTOR_FIELDS = [
    ("id", "<u4"),
    ("state", "u1"),
    ("location", "<f4", 3),
    ("rotation", "<f4", 3),
    ("velocity", "<f4", 3),
    ("angular_velocity", "<f4", 3),
    ("acceleration", "<f4", 3),
]

_LIGHT_FIELDS = [
    ("sign_id", "S32"),
    ("green_time", "<f4"),
    ("yellow_time", "<f4"),
    ("red_time", "<f4"),
    ("elapsed_time", "<f4"),
    ("pole_index", "<u4"),
    ("frozen", "u1"),
    ("light", "u1"),
]

_VEHICLE_FIELDS = [
    ("throttle", "<f4"),
    ("steer", "<f4"),
    ("brake", "<f4"),
    ("hand_brake", "u1"),
    ("reverse", "u1"),
    ("manual_gear_shift", "u1"),
    ("gear", "<i4"),
    ("speed_limit", "<f4"),
    ("light_state", "u1"),
    ("has_traffic_light", "u1"),
    ("traffic_light_id", "<u4"),
    ("failure_state", "u1"),
    ("rest_of_union", "V24"),
]

_WALKER_FIELDS = [
    ("direction", "<f4", 3),
    ("speed", "<f4"),
    ("jump", "u1"),
    ("rest_of_union", "V37"),
]

_CARLA_0_9_16 = WireLayout(
    version="0.9.16",
    token=struct.Struct("<IHBB16s"),
    sensor_header=struct.Struct("<QQd6f"),
    episode_header=struct.Struct("<Qdf3iI"),
    actor=np.dtype([*_ACTOR_FIELDS, *_VEHICLE_FIELDS]),
    light_actor=np.dtype([*_ACTOR_FIELDS, *_LIGHT_FIELDS]),
    walker_actor=np.dtype([*_ACTOR_FIELDS, *_WALKER_FIELDS]),
    image_header=struct.Struct("<IIf"),
    sensor_types={"collision": 0, "depth": 1, "gnss": 4, "imu": 5, "rgb": 13, "semantic": 14, "episode": 17},
    commands=(
        "SpawnActor",
        "DestroyActor",
        "ApplyVehicleControl",
        "ApplyVehicleAckermannControl",
        "ApplyWalkerControl",
        "ApplyVehiclePhysicsControl",
        "ApplyTransform",
        "ApplyWalkerState",
        "ApplyTargetVelocity",
        "ApplyTargetAngularVelocity",
        "ApplyImpulse",
        "ApplyForce",
        "ApplyAngularImpulse",
        "ApplyTorque",
        "SetSimulatePhysics",
        "SetEnableGravity",
        "SetAutopilot",
        "ShowDebugTelemetry",
        "SetVehicleLightState",
        "ApplyLocation",
        "ConsoleCommand",
        "SetTrafficLightState",
    ),
    settings={
        "synchronous_mode": False,
        "no_rendering_mode": False,
        "fixed_delta_seconds": None,
        "substepping": True,
        "max_substep_delta_time": 0.01,
        "max_substeps": 10,
        "max_culling_distance": 0.0,
        "deterministic_ragdolls": True,
        "tile_stream_distance": 3000.0,
        "actor_active_distance": 2000.0,
        "spectator_as_ego": True,
    },
    weather=(
        "cloudiness",
        "precipitation",
        "precipitation_deposits",
        "wind_intensity",
        "sun_azimuth_angle",
        "sun_altitude_angle",
        "fog_density",
        "fog_distance",
        "fog_falloff",
        "wetness",
        "scattering_intensity",
        "mie_scattering_scale",
        "rayleigh_scattering_scale",
        "dust_storm",
    ),
    vehicle_control=("throttle", "steer", "brake", "hand_brake", "reverse", "manual_gear_shift", "gear"),
    ego_blueprint="vehicle.nissan.patrol",
    blueprints={
        ObjectKind.CAR: "vehicle.tesla.model3",
        ObjectKind.TRUCK: "vehicle.carlamotors.carlacola",
        ObjectKind.PEDESTRIAN: "walker.pedestrian.0001",
        ObjectKind.STATIC: "static.prop.streetbarrier",
    },
)

LAYOUTS: Mapping[str, WireLayout] = {layout.version: layout for layout in (_CARLA_0_9_16,)}
"""Every version that is supported."""
DEFAULT_VERSION = "0.9.16"
"""Spoken unless another is asked for: that of the client which the extra `carla` installs."""


def layout_of(version: str) -> WireLayout:
    """The layout of a version.

    Raises:
        ValueError: that version is not supported.
    """
    if version not in LAYOUTS:
        raise ValueError(
            f"CARLA {version} is not supported, for what it sends over the wire is not known here; supported versions: "
            f"{', '.join(LAYOUTS)}"
        )
    return LAYOUTS[version]
