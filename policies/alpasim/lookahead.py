"""Makes a plan of a policy that knows but actions: it is asked again and again while the vehicle model drives ahead."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from envs.ground_truth import Objects
from policies.alpasim.observations import Observation
from policies.drive import NO_FRAME
from policies.policy import Policy, is_memoryless
from worldsim.datatypes.scene import control_from_action
from worldsim.datatypes.vehicle import VehicleColumn

PLAN_SECONDS = 3.0
"""How far ahead a plan reaches [s]."""
PLAN_STEP = 0.1
"""Between its poses [s]."""


def plan_ahead(policy: Policy, observation: Observation, action: np.ndarray, *, hold: bool) -> np.ndarray:
    """VEHICLE_NAMES float64 [k, 6] after each PLAN_STEP of the PLAN_SECONDS ahead.

    The vehicle model drives the policy's actions on a world as it was told: others go on as they move now, the light
    stays as it is. Whatever the policy remembers, it remembers nothing of this.

    Args:
        policy: that chose `action`.
        observation: of now.
        action: steer and acceleration of now, [2].
        hold: the action stays, since the policy looks at pictures, which nobody has of what is to come.
    """
    asked = policy if hold or is_memoryless(policy) else _copy_policy(policy)
    now, vehicles = observation, []
    for k in range(round(PLAN_SECONDS / PLAN_STEP)):
        if k > 0 and not hold:
            action = np.asarray(asked.act(NO_FRAME, observed_info(now)), np.float32)
        now = _go_on(now, action)
        vehicles.append(now.vehicle)
    return np.stack(vehicles)


def observed_info(observation: Observation) -> dict[str, Any]:
    """What a policy is shown beside the frame: of an env's info, that which is known here."""
    return {
        "scene": observation.scene().to_vector(),
        "vehicle": observation.vehicle.copy(),
        "progress": np.float64(observation.driven),
    }


def _go_on(before: Observation, action: np.ndarray) -> Observation:
    vehicle = before.model.step(before.vehicle, control_from_action(action), PLAN_STEP)
    boxes, speeds = before.objects.boxes.copy(), before.objects.speeds
    yaw = boxes[:, VehicleColumn.YAW]
    boxes[:, : VehicleColumn.YAW] += PLAN_STEP * speeds[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    driven = distance_driven(before.vehicle, vehicle)
    return replace(
        before,
        vehicle=vehicle,
        objects=Objects(boxes=boxes, speeds=speeds, kinds=before.objects.kinds),
        signal=before.signal.after(driven),
        driven=driven,
    )


def distance_driven(before: np.ndarray, after: np.ndarray) -> float:
    """From one VEHICLE_NAMES [6] to another [m]."""
    return float(np.hypot(*(after - before)[: VehicleColumn.YAW]))


def _copy_policy(policy: Policy) -> Policy:
    """A policy that goes on from here on its own. Networks and the env are shared: acting does not change them."""
    torch = sys.modules.get("torch")
    shared = [value for value in vars(policy).values() if torch is not None and isinstance(value, torch.nn.Module)]
    shared += [value for name, value in vars(policy).items() if name == "_env"]
    return copy.deepcopy(policy, {id(value): value for value in shared})
