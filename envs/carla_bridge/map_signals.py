"""The lights and signs of a served map as CARLA's traffic actors: where they are, and their records."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from envs.carla.coordinates import pose_to_carla
from envs.carla.versions import WireLayout
from envs.carla_bridge.messages import ACTIVE
from envs.carla_bridge.simulation import LightStates, ServedSignal
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.signals import SignalKind

WIRE_STATES = {SignalKind.RED: 0, SignalKind.YELLOW: 1, SignalKind.GREEN: 2}
OFF, UNKNOWN = 3, 4
"""Numbers of CARLA's TrafficLightState."""
TRIGGER_DEPTH, TRIGGER_HEIGHT = 1.0, 2.0
"""Of a trigger volume, along the lane and upwards [m]."""
LARGEST_ANGLE = math.radians(45.0)
"""Stop lines of one signal turned by more than this against its first are not within its trigger volume [rad]."""


def actor_place(signal: ServedSignal) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Location [m] and rotation [degrees] of the actor, in CARLA's frame.

    CARLA's lights and signs have their x axis across the lanes: along it the client looks for stop waypoints.
    """
    x, y, z, _ = signal.pose
    heading = float(signal.stops[0, 2]) if len(signal.stops) else signal.pose[3] + math.pi
    x, y, yaw = pose_to_carla(x, y, heading - math.pi / 2)
    return (x, y, z), (0.0, yaw, 0.0)


def trigger_volume(signal: ServedSignal, actor_id: int) -> list:
    """BoundingBox on the wire, in the actor's frame: across the lanes the signal counts for, at their stop lines."""
    if not len(signal.stops):
        return [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], actor_id]
    heading = float(signal.stops[0, 2])
    same = np.abs(wrap_angle(signal.stops[:, 2] - heading)) < LARGEST_ANGLE
    ahead = np.array([math.cos(heading), math.sin(heading)])
    right = np.array([ahead[1], -ahead[0]])
    offsets = signal.stops[same, :2] - np.array(signal.pose[:2])
    across, along = offsets @ right, offsets @ ahead
    low = float((across - signal.half_widths[same]).min())
    high = float((across + signal.half_widths[same]).max())
    # the actor's x axis points to the right of the traffic, CARLA's y axis then against it
    centre = [0.5 * (low + high), -float(along.mean()), TRIGGER_HEIGHT - signal.pose[2]]
    return [centre, [0.5 * (high - low), TRIGGER_DEPTH, TRIGGER_HEIGHT], [0.0, 0.0, 0.0], actor_id]


def records(layout: WireLayout, ids: Sequence[int], signals: Sequence[ServedSignal], states: LightStates) -> np.ndarray:
    """Actor records of the episode state, viewed as those of vehicles are."""
    found = np.zeros(len(signals), layout.light_actor)
    found["id"], found["state"] = ids, ACTIVE
    members: dict[int, int] = {}
    for number, signal in enumerate(signals):
        row = found[number]
        row["location"], row["rotation"] = actor_place(signal)
        row["sign_id"] = signal.sign_id.encode()[:32]
        if signal.kind == SignalKind.RED:
            row["green_time"], row["yellow_time"], row["red_time"] = signal.times
            row["elapsed_time"] = states.elapsed[number]
            row["pole_index"] = members.get(signal.group, 0)
            row["light"] = WIRE_STATES.get(SignalKind(int(states.shown[number])), OFF)
            members[signal.group] = members.get(signal.group, 0) + 1
    return found.view(layout.actor)
