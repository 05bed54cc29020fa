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
class CutIn:
    """A slower car in the next lane that changes into the ego's lane.

    Args:
        gap: bumper to bumper at the start [m].
        speed: [m/s].
        offset: lateral position at the start, positive left [m].
        start_at: starts the lane change [s].
        lateral_speed: [m/s].
    """

    gap: float
    speed: float
    offset: float
    start_at: float
    lateral_speed: float

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """In the next lane, `gap` ahead of the ego."""
        return _car(ego_s, self.gap, self.offset, self.speed)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """Straight on, then across at the lateral speed to the centre of the ego's lane."""
        moving = min(max(t + dt - self.start_at, 0.0), dt)
        left = max(abs(own.lateral) - self.lateral_speed * moving, 0.0)
        lateral = math.copysign(left, self.offset)
        heading = math.atan2((lateral - own.lateral) / dt, max(self.speed, 0.1))
        return replace(own, s=own.s + dt * self.speed, lateral=lateral, heading=heading)


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


def _car(ego_s: float, gap: float, lateral: float, speed: float) -> ActorState:
    length = 4.6
    return ActorState(s=ego_s + EGO_HALF_LENGTH + gap + length / 2, lateral=lateral, speed=speed, length=length)
