"""Bodies: the objects of a Scenic program as they move here, step by step. They know nothing of Scenic."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from envs.scripted_actors import ActorState
from scenarios.scenic.conventions import steer_of_scenic, yaw_of_heading
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

EGO_MODEL = VehicleModel()
SIZE_TOLERANCE = 0.25
"""An ego whose length or width is farther from that of the worlds' ego is refused [m]."""


class Body(Protocol):
    """An object of a program.

    Attributes:
        kind: ObjectKind.
        length: [m].
        width: [m].
    """

    kind: ObjectKind
    length: float
    width: float

    @property
    def pose(self) -> tuple[float, float, float]:
        """Of its middle, x, y, yaw [m, m, rad]."""
        ...

    @property
    def speed(self) -> float:
        """Along its own heading [m/s]; negative in reverse."""
        ...

    @property
    def yaw_rate(self) -> float:
        """[rad/s]."""
        ...

    @property
    def braking(self) -> bool:
        """Whether it shows brake lights."""
        ...

    def place(self, x: float, y: float) -> None:
        """Put it elsewhere [m]."""
        ...

    def move(self, vx: float, vy: float) -> None:
        """Give it another velocity [m/s]."""
        ...

    def step(self, dt: float) -> None:
        """Move it on by `dt` [s]."""
        ...


def actor_state(body: Body, z: float) -> ActorState:
    """A body as a scripted actor in the ground frame, on ground of height `z` [m]."""
    x, y, yaw = body.pose
    return ActorState(
        s=x,
        lateral=y,
        speed=body.speed,
        heading=yaw,
        kind=body.kind,
        length=body.length,
        width=body.width,
        braking=body.braking,
        z=z,
    )


class DrivenBody:
    """A vehicle that obeys its pedals and steering by the ego's vehicle model, with a wheelbase that fits its length.

    The controls are Scenic's, and stay until they are set again.

    Attributes:
        vehicle: VEHICLE_NAMES, float64 [6].
        throttle: in [0, 1].
        brake: in [0, 1].
        steer: in [-1, 1], positive right.
        hand_brake: as good as the brake.
        reverse: the gear.

    Args:
        kind: CAR or TRUCK.
        pose: of its middle, x, y, yaw [m, m, rad].
        velocity: x, y [m/s]; what is across its heading is left out.
        length: [m].
        width: [m].
    """

    def __init__(
        self,
        kind: ObjectKind,
        pose: tuple[float, float, float],
        velocity: tuple[float, float],
        length: float,
        width: float,
    ) -> None:
        self.kind, self.length, self.width = kind, length, width
        self.model = EGO_MODEL.of_size(length, width)
        self.vehicle = np.array([*pose, 0.0, 0.0, 0.0])
        self.vehicle[VehicleColumn.SPEED] = self._along(*velocity)
        self.throttle, self.brake, self.steer = 0.0, 0.0, 0.0
        self.hand_brake, self.reverse = False, False

    @property
    def pose(self) -> tuple[float, float, float]:
        """See Body."""
        x, y, yaw, *_ = self.vehicle.tolist()
        return x, y, yaw

    @property
    def speed(self) -> float:
        """See Body."""
        return float(self.vehicle[VehicleColumn.SPEED])

    @property
    def yaw_rate(self) -> float:
        """See Body."""
        return float(self.model.yaw_rate(self.vehicle))

    @property
    def braking(self) -> bool:
        """See Body."""
        return self.brake > 0 or self.hand_brake

    @property
    def control(self) -> np.ndarray:
        """CONTROL_NAMES, float64 [4]."""
        brake = 1.0 if self.hand_brake else self.brake
        return np.array([steer_of_scenic(self.steer), self.throttle, brake, float(self.reverse)])

    def place(self, x: float, y: float) -> None:
        """See Body."""
        self.vehicle[[VehicleColumn.X, VehicleColumn.Y]] = x, y

    def move(self, vx: float, vy: float) -> None:
        """See Body. A car does not slide: what is across its heading is left out."""
        self.vehicle[VehicleColumn.SPEED], self.vehicle[VehicleColumn.ACCELERATION] = self._along(vx, vy), 0.0

    def step(self, dt: float) -> None:
        """See Body."""
        self.vehicle = self.model.step(self.vehicle, self.control, dt)

    def _along(self, vx: float, vy: float) -> float:
        yaw = float(self.vehicle[VehicleColumn.YAW])
        return vx * math.cos(yaw) + vy * math.sin(yaw)


class EgoBody(DrivenBody):
    """The ego, which the world moves.

    Args:
        pose: of its middle, x, y, yaw [m, m, rad].
        velocity: x, y [m/s].
        length: as the program has it [m].
        width: likewise [m].

    Raises:
        ValueError: it is of another size than the worlds' ego.
    """

    def __init__(
        self, pose: tuple[float, float, float], velocity: tuple[float, float], length: float, width: float
    ) -> None:
        own = EGO_MODEL
        if max(abs(length - own.length), abs(width - own.width)) > SIZE_TOLERANCE:
            raise ValueError(
                f"the ego of these worlds is {own.length:g} by {own.width:g} m, got one of {length:g} by {width:g} m; "
                f"leave its length and width to the model"
            )
        super().__init__(ObjectKind.CAR, pose, velocity, own.length, own.width)

    @property
    def action(self) -> np.ndarray:
        """Of the env, float32 [2].

        Raises:
            ValueError: reverse, which the action has not.
        """
        steer, throttle, brake, reverse = self.control.tolist()
        if reverse and throttle > 0:
            raise ValueError("SetReverseAction of the ego: the ego of these worlds does not reverse by its actions")
        return np.array([steer, throttle - brake], np.float32)

    def place(self, x: float, y: float) -> None:
        """Refused.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "SetPositionAction and OffsetAction cannot be taken by the ego: in these worlds it moves by its pedals and "
            "its steering alone"
        )

    def move(self, vx: float, vy: float) -> None:
        """Refused.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "SetVelocityAction and SetSpeedAction cannot be taken by the ego: in these worlds it moves by its pedals "
            "and its steering alone; its first speed is set by `with speed`"
        )


class WalkingBody:
    """A pedestrian, who walks the way that they face.

    Attributes:
        yaw: that way [rad].
        speed: [m/s].

    Args:
        pose: x, y, yaw [m, m, rad].
        velocity: x, y [m/s].
        length: [m].
        width: [m].
    """

    def __init__(
        self, pose: tuple[float, float, float], velocity: tuple[float, float], length: float, width: float
    ) -> None:
        self.kind, self.length, self.width = ObjectKind.PEDESTRIAN, length, width
        self._x, self._y, self.yaw = pose
        self.speed, self.yaw_rate, self.braking = 0.0, 0.0, False
        self.move(*velocity)

    @property
    def pose(self) -> tuple[float, float, float]:
        """See Body."""
        return self._x, self._y, self.yaw

    def face(self, heading: float) -> None:
        """Turn to a Scenic heading [rad]."""
        self.yaw = yaw_of_heading(heading)

    def place(self, x: float, y: float) -> None:
        """See Body."""
        self._x, self._y = x, y

    def move(self, vx: float, vy: float) -> None:
        """See Body."""
        self.speed = math.hypot(vx, vy)
        if self.speed > 0:
            self.yaw = math.atan2(vy, vx)

    def step(self, dt: float) -> None:
        """See Body."""
        self._x += self.speed * math.cos(self.yaw) * dt
        self._y += self.speed * math.sin(self.yaw) * dt


class StandingBody:
    """A thing that stands where it is put.

    Args:
        pose: x, y, yaw [m, m, rad].
        length: [m].
        width: [m].
    """

    def __init__(self, pose: tuple[float, float, float], length: float, width: float) -> None:
        self.kind, self.length, self.width = ObjectKind.STATIC, length, width
        self.pose = pose
        self.speed, self.yaw_rate, self.braking = 0.0, 0.0, False

    def place(self, x: float, y: float) -> None:
        """See Body."""
        self.pose = x, y, self.pose[2]

    def move(self, vx: float, vy: float) -> None:
        """Refused.

        Raises:
            ValueError: it is to move.
        """
        if vx or vy:
            raise ValueError("SetVelocityAction and SetSpeedAction cannot be taken by a prop, which stands")

    def step(self, dt: float) -> None:
        """See Body."""
