"""How road users move: shapes of transitions, along paths, straight on, or by a trajectory."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from scenarios.openscenario.entities import Entity, EntityState
from scenarios.openscenario.network import Network, Pose
from worldsim.datatypes.boxes import wrap_angle

SHAPES = ("linear", "cubic", "sinusoidal", "step")
PEAK_RATE: dict[str, float] = {"linear": 1.0, "cubic": 1.5, "sinusoidal": math.pi / 2, "step": 1.0}
"""Highest rate of a transition of each shape over its mean one."""
PEAK_CURVATURE: dict[str, float] = {"linear": 6.0, "cubic": 6.0, "sinusoidal": math.pi**2 / 2, "step": 6.0}
"""Highest second derivative of a transition of length 1 in time 1; a line has none, and is taken as a cubic."""
BRAKES = 0.5
"""Who decelerates by more shows brake lights [m/s²]."""
_SLOWEST_SLANT = 0.5
"""Heading follows the motion above this speed [m/s]."""


def progress(shape: str, x: float) -> float:
    """How much of a transition is done when the share `x` of it has passed, both in [0, 1]."""
    x = min(max(x, 0.0), 1.0)
    if shape == "cubic":
        return x * x * (3.0 - 2.0 * x)
    if shape == "sinusoidal":
        return (1.0 - math.cos(math.pi * x)) / 2.0
    return x if shape == "linear" else 1.0


def place_at(state: EntityState, pose: Pose, entity: Entity, network: Network) -> EntityState:
    """The state of an entity whose reference point is put at a pose; it follows the lanes from there if there are any.

    Args:
        state: before.
        pose: of the reference point.
        entity: it.
        network: the map.
    """
    middle = pose.moved(entity.center)
    there = replace(state, present=True, deleted=False, lanes=(), s=0.0)
    moved = replace(there, x=middle.x, y=middle.y, yaw=middle.yaw, z=middle.z)
    return find_path(moved, network)


def find_path(state: EntityState, network: Network) -> EntityState:
    """The state on the path straight on from where it is; as it is where it keeps to no lane, or none is there."""
    found = network.follow(state.pose) if state.keeps_lane else None
    if found is None:
        return replace(state, lanes=())
    return replace(state, lanes=found.lanes, s=found.s, lateral=found.lateral, along=found.along)


def advance(
    state: EntityState, network: Network, *, speeds: tuple[float, float], lateral: float | None, dt: float
) -> EntityState:
    """An entity a step on.

    Args:
        state: before.
        network: the map.
        speeds: at the beginning and the end of the step [m/s].
        lateral: offset to the left of its path at the end [m]; None keeps it.
        dt: [s].
    """
    before, speed = speeds
    travel = dt * (before + speed) / 2
    state = _stepped(state, speed=speed, travel=abs(travel), dt=dt)
    following = state.following
    to = state.lateral if lateral is None else lateral
    if not travel and to == state.lateral:  # who stands stays as it was put
        return state
    if following is None:
        moved = state.pose.moved(travel)
        return replace(state, x=moved.x, y=moved.y)
    following = network.prolonged(following)
    path, along = network.path(following.lanes), following.along
    s = following.s + along * travel
    sideways = (to - following.lateral) / dt
    slant = (
        math.atan2(sideways, along * max(abs(speed), _SLOWEST_SLANT)) if sideways else (0.0 if along > 0 else math.pi)
    )
    x, y, yaw = path.pose_at(s, to, slant)
    z = path.height_at(s)
    return replace(
        state, x=x, y=y, z=z, yaw=float(wrap_angle(yaw)), lanes=following.lanes, s=s, lateral=to, along=along
    )


def put(state: EntityState, pose: Pose, *, speed: float, dt: float) -> EntityState:
    """An entity a step on at a given pose of its middle."""
    travel = math.hypot(pose.x - state.x, pose.y - state.y)
    state = _stepped(state, speed=speed, travel=travel, dt=dt)
    return replace(state, x=pose.x, y=pose.y, yaw=pose.yaw, z=pose.z, lanes=())


def back_in_time(state: EntityState, network: Network, time: float) -> EntityState:
    """Where an entity was `-time` seconds [s] before, had it come at its speed."""
    if not state.present or not state.speed:
        return state
    if state.following is None:
        moved = state.pose.moved(state.speed * time)
        return replace(state, x=moved.x, y=moved.y)
    s = state.s + state.along * state.speed * time
    path = network.path(state.lanes)
    x, y, yaw = path.pose_at(s, state.lateral, 0.0 if state.along > 0 else math.pi)
    return replace(state, x=x, y=y, yaw=float(wrap_angle(yaw)), z=path.height_at(s), s=s)


def of_ego(before: EntityState, vehicle: np.ndarray, network: Network, dt: float) -> EntityState:
    """The ego's state from VEHICLE_NAMES [6]."""
    x, y, yaw, speed, acceleration, _ = vehicle.tolist()
    travel = math.hypot(x - before.x, y - before.y) if before.present else 0.0
    state = _stepped(before, speed=speed, travel=travel, dt=dt)
    z = network.ground(x, y)
    return replace(state, x=x, y=y, yaw=float(wrap_angle(yaw)), z=z, acceleration=acceleration, present=True, lanes=())


def _stepped(state: EntityState, *, speed: float, travel: float, dt: float) -> EntityState:
    acceleration = (speed - state.speed) / dt
    stands = abs(speed) < 0.05
    return replace(
        state,
        speed=speed,
        acceleration=acceleration,
        braking=acceleration < -BRAKES,
        travelled=state.travelled + travel,
        still_for=state.still_for + dt if stands else 0.0,
    )
