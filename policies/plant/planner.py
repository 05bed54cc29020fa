"""PlanTPlanner: a policy that drives by waypoints which a transformer reads off the SceneState.

PlanT is imitation: it searches nothing. The PlanT-style cost of `policies.search.plant_cost` is for planners that do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from policies.plant.controller import ControllerConfig, WaypointController
from policies.plant.network import WAYPOINT_TIMES, PlanTNetwork, TokenTensors
from policies.plant.tokens import tokenize
from worldsim.checkpoint import load_weights
from worldsim.datatypes.scene import EgoColumn, SceneState

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

WEIGHTS = Path(__file__).with_name("weights") / "plant.safetensors"
"""The shipped weights, as `drivedit clone --planners plant` makes them."""


class PlanTPlanner:
    """Drives by a PlanTNetwork: its waypoints are followed by a WaypointController.

    Args:
        network: trained by `drivedit clone --planners plant`.
        config: how waypoints are followed.
    """

    uses_pictures = False

    def __init__(self, network: PlanTNetwork, config: ControllerConfig | None = None) -> None:
        self.network = network.eval()
        self.controller = WaypointController(WAYPOINT_TIMES, config)
        self._dt = 0.1

    @staticmethod
    def load(path: Path = WEIGHTS) -> PlanTPlanner:
        """The planner with its weights.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: they are damaged, or of another network.
        """
        network = PlanTNetwork()
        load_weights(network, path)
        return PlanTPlanner(network)

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode."""
        self.controller.reset()
        self._dt = float(env.world.dt)

    def plan(self, scene: SceneState) -> np.ndarray:
        """Waypoints float32 [4, 2] at WAYPOINT_TIMES in the vehicle frame [m] for a single instant."""
        with torch.inference_mode():
            return self.network(TokenTensors.of(tokenize(scene[None]))).waypoints[0].numpy()

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2] for `info["scene"]`."""
        scene = SceneState.from_vector(info["scene"])
        waypoints = self.plan(scene)
        known = bool(scene.ego_valid[EgoColumn.SPEED])
        # the plan begins at the ego's speed, as the network makes it out where it is not told
        speed = float(scene.speed) if known else float(np.hypot(*waypoints[0])) / WAYPOINT_TIMES[0]
        return self.controller.act(waypoints, speed, self._dt)
