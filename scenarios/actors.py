"""Scripted actors of the catalogue's scenarios."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envs.scripted_actors import ActorState
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.maps.route import Route

EGO_HALF_LENGTH = VehicleModel().length / 2
CAR_LENGTH = 4.6
"""[m]."""


@dataclass(frozen=True, kw_only=True)
class BrakingLead:
    """A car ahead in the ego's lane that brakes to a standstill.

    Args:
        gap: bumper to bumper at the start [m].
        speed: before it brakes [m/s].
        brake_at: [s].
        deceleration: [m/s²].
    """

    gap: float
    speed: float
    brake_at: float
    deceleration: float

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """In the ego's lane, `gap` ahead of it."""
        return _car(ego_s, self.gap, 0.0, self.speed)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Constant speed, then constant deceleration."""
        braking_time = min(max(t + dt - self.brake_at, 0.0), dt)
        speed = max(own.speed - self.deceleration * braking_time, 0.0)
        braking = braking_time > 1e-6
        return replace(own, s=own.s + dt * (own.speed + speed) / 2, speed=speed, braking=braking)


@dataclass(frozen=True, kw_only=True)
class SurgingLead:
    """A car ahead in the ego's lane that slows down and speeds up again, as in a queue.

    Args:
        gap: bumper to bumper at the start [m].
        speed: at the start, its highest [m/s].
        lowest: its lowest speed [m/s].
        slows_at: [s].
        period: from one highest speed to the next [s].
    """

    gap: float
    speed: float
    lowest: float
    slows_at: float
    period: float

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """In the ego's lane, `gap` ahead of it."""
        return _car(ego_s, self.gap, 0.0, self.speed)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Its speed is a cosine of the time."""
        phase = 2 * math.pi * max(t + dt - self.slows_at, 0.0) / self.period
        speed = self.lowest + (self.speed - self.lowest) * (1 + math.cos(phase)) / 2
        return replace(own, s=own.s + dt * (own.speed + speed) / 2, speed=speed, braking=speed < own.speed - 1e-6)


@dataclass(frozen=True, kw_only=True)
class Steady:
    """A road user at a constant speed along the ego's lane, or one that stands there.

    Args:
        gap: from the ego's front bumper to its rear at the start [m].
        speed: [m/s].
        lateral: [m].
        kind: ObjectKind.
        length: [m].
        width: [m].
    """

    gap: float
    speed: float
    lateral: float = 0.0
    kind: ObjectKind = ObjectKind.CAR
    length: float = CAR_LENGTH
    width: float = 1.9

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """`gap` ahead of the ego."""
        return ActorState(
            s=ego_s + EGO_HALF_LENGTH + self.gap + self.length / 2,
            lateral=self.lateral,
            speed=self.speed,
            kind=self.kind,
            length=self.length,
            width=self.width,
        )

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Straight on."""
        return replace(own, s=own.s + dt * self.speed)


@dataclass(frozen=True, kw_only=True)
class LaneChange:
    """A car that changes from one lateral position to another: a cut-in, a cut-out, or one that comes the wrong way.

    Args:
        gap: bumper to bumper at the start [m].
        speed: along the lane [m/s].
        offset: lateral position at the start, positive left [m].
        target: lateral position at the end [m].
        start_at: starts the lane change [s].
        lateral_speed: [m/s].
        oncoming: it comes towards the ego.
    """

    gap: float
    speed: float
    offset: float
    target: float = 0.0
    start_at: float
    lateral_speed: float
    oncoming: bool = False

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """`gap` ahead of the ego, at its offset."""
        return replace(_car(ego_s, self.gap, self.offset, self.speed), heading=math.pi if self.oncoming else 0.0)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Straight on, then across at the lateral speed to the target."""
        moving = min(max(t + dt - self.start_at, 0.0), dt)
        left = max(abs(own.lateral - self.target) - self.lateral_speed * moving, 0.0)
        lateral = self.target + math.copysign(left, self.offset - self.target)
        along = -self.speed if self.oncoming else self.speed
        slant = math.atan2((lateral - own.lateral) / dt, max(self.speed, 0.1))
        heading = math.pi - slant if self.oncoming else slant
        return replace(own, s=own.s + dt * along, lateral=lateral, heading=heading)


@dataclass(frozen=True, kw_only=True)
class CrossingPedestrian:
    """A pedestrian who waits beside the road and then walks across.

    Args:
        distance: along the route from the ego's front bumper at the start [m].
        offset: lateral position at the start, positive left [m].
        start_at: starts walking [s].
        speed: [m/s].
    """

    distance: float
    offset: float
    start_at: float
    speed: float

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """At the roadside, facing the road."""
        s = ego_s + EGO_HALF_LENGTH + self.distance
        heading = -math.copysign(math.pi / 2, self.offset)
        kind = ObjectKind.PEDESTRIAN
        return ActorState(s=s, lateral=self.offset, speed=0.0, heading=heading, kind=kind, length=0.5, width=0.5)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Waits, walks straight across, and stops as far beyond the lane centre as it started before it."""
        walking = min(max(t + dt - self.start_at, 0.0), dt)
        across = math.copysign(1.0, self.offset)
        done = own.lateral * across <= -abs(self.offset)
        speed = 0.0 if walking == 0.0 or done else self.speed
        return replace(own, lateral=own.lateral - across * speed * walking, speed=speed)


@dataclass(frozen=True, kw_only=True)
class PassingCar:
    """A partner: a car at a constant speed along its own path.

    Args:
        before: from its centre to where it meets the ego's route, along its path at the start [m].
        speed: [m/s].
    """

    before: float
    speed: float

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """`before` the place where it meets the ego's route."""
        return ActorState(s=ego_s - self.before, lateral=0.0, speed=self.speed, length=CAR_LENGTH)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Straight on along its path."""
        return replace(own, s=own.s + dt * self.speed)


def _car(ego_s: float, gap: float, lateral: float, speed: float) -> ActorState:
    return ActorState(s=ego_s + EGO_HALF_LENGTH + gap + CAR_LENGTH / 2, lateral=lateral, speed=speed, length=CAR_LENGTH)
