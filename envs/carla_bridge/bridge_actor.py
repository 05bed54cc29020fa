"""An actor of the bridge: what clients see of a road user, a sensor, a light or a sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from envs.carla.coordinates import pose_from_carla, poses_to_carla
from envs.carla_bridge import blueprints
from envs.carla_bridge.blueprints import Blueprint
from envs.carla_bridge.simulation import CameraView
from worldsim.datatypes.scene import CONTROL_NAMES, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel


@dataclass(kw_only=True)
class BridgeActor:
    """An actor as clients see it.

    Args:
        id: CARLA's.
        blueprint: what it is.
        values: of its attributes where they differ from the blueprint's.
        parent: id of what it is attached to, 0 for none.
        size: length, width, height [m].
        kind: of road users.
        location: x, y, z in CARLA's frame [m]: of sensors relative to the parent, of road users if spawned by a client.
        rotation: pitch, yaw, roll in CARLA's frame [degrees], likewise.
        view: of a camera.
        box: BoundingBox on the wire of lights and signs: their trigger volume.
        control: CONTROL_NAMES float [4] that a client has given a vehicle that it has spawned; None of one that it
            moves by transforms.
        motion: VEHICLE_NAMES float64 [6] of a vehicle with a control.
        walk: direction x, y in CARLA's frame and speed [m/s] that a client has given a walker; None of one that it
            moves by transforms.
    """

    id: int
    blueprint: Blueprint
    values: dict[str, str] = field(default_factory=dict)
    parent: int = 0
    size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    kind: ObjectKind = ObjectKind.EMPTY
    location: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    view: CameraView | None = None
    box: list | None = None
    control: np.ndarray | None = None
    motion: np.ndarray | None = None
    walk: tuple[float, float, float] | None = None

    def put(self, location: Sequence[float], rotation: Sequence[float]) -> None:
        """Move it to a place in CARLA's frame, where it stands until a client moves or drives it on."""
        (x, y, z), (pitch, yaw, roll) = location, rotation
        self.location, self.rotation = (x, y, z), (pitch, yaw, roll)
        self.control = self.motion = self.walk = None

    def launch(self, speed: float) -> None:
        """Give a vehicle another speed [m/s]; without a control it coasts from now on."""
        self.motion = np.array([*pose_from_carla(*self.location[:2], self.rotation[1]), speed, 0.0, 0.0])
        if self.control is None:
            self.control = np.zeros(len(CONTROL_NAMES), np.float32)

    def move(self, model: VehicleModel, dt: float) -> None:
        """A step of `dt` seconds, if a client has given it a control or a walk."""
        if self.control is not None:
            self._drive(self.control, model, dt)
        elif self.walk is not None:
            self._walk(*self.walk, dt)

    def _walk(self, x: float, y: float, speed: float, dt: float) -> None:
        """Along a direction, which the walker then faces."""
        length = math.hypot(x, y)
        if length * speed == 0.0:
            return
        step = speed * dt / length
        at_x, at_y, z = self.location
        self.location = (at_x + step * x, at_y + step * y, z)
        self.rotation = (self.rotation[0], math.degrees(math.atan2(y, x)), self.rotation[2])

    def _drive(self, control: np.ndarray, model: VehicleModel, dt: float) -> None:
        """As a vehicle of its size does."""
        if self.motion is None:
            self.launch(0.0)
        assert self.motion is not None
        self.motion = model.of_size(*self.size[:2]).step(self.motion, control, dt)
        x, y, yaw = poses_to_carla(self.motion[None, : VehicleColumn.YAW + 1])[0].tolist()
        self.location, self.rotation = (x, y, self.location[2]), (self.rotation[0], yaw, self.rotation[2])

    @property
    def has_stream(self) -> bool:
        """Whether the server streams anything for it; the client detects lane invasions by itself."""
        return self.blueprint.id.startswith("sensor.") and self.blueprint != blueprints.LANE_INVASION

    def period(self) -> float:
        """Time between its messages [s]; 0 is every frame."""
        return max(0.0, float(self.values.get("sensor_tick", "0.0")))
