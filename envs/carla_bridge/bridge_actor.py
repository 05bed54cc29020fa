"""An actor of the bridge: what clients see of a road user, a sensor, a light or a sign."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from envs.carla.coordinates import pose_from_carla, poses_to_carla
from envs.carla_bridge import blueprints
from envs.carla_bridge.blueprints import Blueprint
from envs.carla_bridge.drive_commands import AckermannTarget, ackermann_control, holding_control
from envs.carla_bridge.simulation import CameraView
from worldsim.datatypes.scene import CONTROL_NAMES, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel


class Client(Protocol):
    """A client's connection."""

    def is_closing(self) -> bool:
        """Whether it has left."""
        ...


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
        control: CONTROL_NAMES float32 [4] that a client has given a vehicle; None of one that it moves by transforms.
        ackermann: what a client has asked of it instead of pedals and steering.
        held_speed: that it has, whatever its pedals [m/s].
        motion: VEHICLE_NAMES float64 [6] of a vehicle with a control; the ego's is the world's.
        walk: direction x, y in CARLA's frame and speed [m/s] that a client has given a walker; None of one that it
            moves by transforms.
        client: connection of who spawned it, or of who has driven it last; None without one.
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
    ackermann: AckermannTarget | None = None
    held_speed: float | None = None
    motion: np.ndarray | None = None
    walk: tuple[float, float, float] | None = None
    client: Client | None = None

    def put(self, location: tuple[float, float, float], rotation: tuple[float, float, float]) -> None:
        """Move it to a place in CARLA's frame, where it stands until a client moves or drives it on."""
        (x, y, z), (pitch, yaw, roll) = location, rotation
        self.location, self.rotation = (x, y, z), (pitch, yaw, roll)
        self.control = self.motion = self.walk = self.ackermann = self.held_speed = None

    def obey(self, control: np.ndarray) -> None:
        """Take a control, CONTROL_NAMES float32 [4], until there is another one."""
        self.control, self.ackermann = control, None

    def aim(self, target: AckermannTarget) -> None:
        """Steer and drive towards a target until there is another one, or a control."""
        self._begin_to_drive()
        self.ackermann = target

    def hold(self, speed: float | None) -> None:
        """Keep a speed [m/s] whatever the pedals; None lets the pedals have their way again."""
        self._begin_to_drive()
        self.held_speed = speed

    def _begin_to_drive(self) -> None:
        if self.control is None:
            self.control = np.zeros(len(CONTROL_NAMES), np.float32)

    def launch(self, speed: float) -> None:
        """Give a vehicle another speed [m/s]; its wheels stay turned, without a control it coasts from now on."""
        steer_angle = 0.0 if self.motion is None else self.motion[VehicleColumn.STEER_ANGLE]
        self.motion = np.array([*pose_from_carla(*self.location[:2], self.rotation[1]), speed, 0.0, steer_angle])
        self._begin_to_drive()

    @property
    def speed(self) -> float:
        """Of who is not the ego, by its control or walk [m/s]."""
        if self.motion is not None:
            return float(self.motion[VehicleColumn.SPEED])
        x, y, speed = self.walk or (0.0, 0.0, 0.0)
        return speed if math.hypot(x, y) > 0.0 else 0.0

    @property
    def is_abandoned(self) -> bool:
        """Whether the client that it was last driven or spawned by has left."""
        return self.client is not None and self.client.is_closing()

    def next_control(self, vehicle: np.ndarray, model: VehicleModel, dt: float) -> np.ndarray:
        """The control of its next `dt` seconds, CONTROL_NAMES float32 [4].

        Args:
            vehicle: how it moves now, VEHICLE_NAMES [6].
            model: of its size.
            dt: [s].
        """
        self._begin_to_drive()
        assert self.control is not None
        if self.ackermann is not None:
            self.control = ackermann_control(self.ackermann, vehicle, model, dt)
        if self.held_speed is not None:
            self.control = holding_control(self.held_speed, float(self.control[0]), model)
        return self.control

    def move(self, model: VehicleModel, dt: float) -> None:
        """A step of `dt` seconds, if a client has given it a control or a walk."""
        if self.control is not None:
            self._drive(model, dt)
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

    def _drive(self, model: VehicleModel, dt: float) -> None:
        """As a vehicle of its size does."""
        if self.motion is None:
            self.launch(0.0)
        assert self.motion is not None
        if self.held_speed is not None:
            self.motion[[VehicleColumn.SPEED, VehicleColumn.ACCELERATION]] = self.held_speed, 0.0
        own = model.of_size(*self.size[:2])
        self.motion = own.step(self.motion, self.next_control(self.motion, own, dt), dt)
        x, y, yaw = poses_to_carla(self.motion[None, : VehicleColumn.YAW + 1])[0].tolist()
        self.location, self.rotation = (x, y, self.location[2]), (self.rotation[0], yaw, self.rotation[2])

    @property
    def has_stream(self) -> bool:
        """Whether the server streams anything for it; the client detects lane invasions by itself."""
        return self.blueprint.id.startswith("sensor.") and self.blueprint != blueprints.LANE_INVASION

    def period(self) -> float:
        """Time between its messages [s]; 0 is every frame."""
        return max(0.0, float(self.values.get("sensor_tick", "0.0")))
