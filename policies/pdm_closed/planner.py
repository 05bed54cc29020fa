"""PDMClosed: proposes fifteen ways to follow the lane, scores them, and drives the best; or brakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.pdm_closed.proposals import ProposalConfig, Proposals, propose
from policies.pdm_closed.road_edges import RoadEdges
from policies.pdm_score import PDMScores, score_drives
from policies.rule_based import LaneFollower
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

EDGES_INTERVAL = 50
"""Steps after which the env is asked again for the edges of the road."""
EMERGENCY_BRAKE = np.array([0.0, -1.0], np.float32)


@dataclass(frozen=True, kw_only=True)
class PDMClosedConfig:
    """How it proposes, and when it brakes.

    Args:
        proposals: what is proposed.
        emergency_time: it brakes where even the best proposal collides, or falls below the time to collision, within
            this time [s].
        emergency_speed: and the car is no faster than this: at higher speeds the next proposals may still do better,
            and braking hard is a danger to who follows [m/s].

    Raises:
        ValueError: a number is negative.
    """

    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    emergency_time: float = 2.0
    emergency_speed: float = 5.0

    def __post_init__(self) -> None:
        for name in ("emergency_time", "emergency_speed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What was proposed and chosen.

    Args:
        proposals: all of them.
        scores: of each.
        chosen: index of the best.
        emergency: the car brakes instead.
    """

    proposals: Proposals
    scores: PDMScores
    chosen: int
    emergency: bool

    @property
    def action(self) -> np.ndarray:
        """Steer and acceleration, float32 [2]."""
        return EMERGENCY_BRAKE.copy() if self.emergency else self.proposals.actions[self.chosen, 0].astype(np.float32)


class PDMClosed:
    """The closed-loop planner of Dauner et al. 2023, "Parting with Misconceptions about Learning-based Vehicle Motion
    Planning", which won nuPlan's challenge, on the tracked SceneState.

    The edges of the road, which the SceneState does not tell, are those of the env's start clip; where they are not
    known, the drivable area ends with the lane. Red lights, yellow ones where it can stop, and stop signs are obstacles
    of IDM, as red lights are in the original. Without a route it drives as the lane follower does then.

    Args:
        config: how it proposes, and when it brakes.
        vehicle_model: the car whose motion is predicted.
    """

    uses_pictures = False

    def __init__(self, config: PDMClosedConfig | None = None, vehicle_model: VehicleModel | None = None) -> None:
        self.config = config or PDMClosedConfig()
        self.vehicle_model = vehicle_model or VehicleModel()
        self._without_route = LaneFollower(vehicle_model=self.vehicle_model)

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode."""
        self._env, self._num_steps = env, 0

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2] for `info["scene"]`."""
        scene = SceneState.from_vector(info["scene"])
        if self._num_steps % EDGES_INTERVAL == 0:
            self._edges, self._driven = RoadEdges(self._env.start_clip(pictures=False)), 0.0
        else:
            self._driven += float(info["progress"])
        self._num_steps += 1
        if not scene.route_valid.any():
            return self._without_route.action(scene)
        return self.decide(scene, self._edges, self._driven).action

    def decide(self, scene: SceneState, edges: RoadEdges | None = None, driven: float = 0.0) -> Decision:
        """The best proposal.

        Args:
            scene: a single one with at least one valid route point.
            edges: of the road; None: they are not known.
            driven: how far along the route these begin behind the ego [m].
        """
        c = self.config
        proposals = propose(scene, c.proposals, self.vehicle_model)
        scores = score_drives(
            proposals.scenes,
            c.proposals.dt,
            progress=proposals.progress,
            reference_progress=None,
            edges=None if edges is None else edges.at(proposals.arcs + driven),
            size=(self.vehicle_model.length, self.vehicle_model.width),
        )
        # where no gate holds for any, the one that fails last; on equal terms the first, which is centred and slow
        order = np.lexsort((np.arange(len(scores.total)), -scores.first_failure, -scores.total))
        chosen = int(order[0])
        soon = scores.first_danger[chosen] * c.proposals.dt <= c.emergency_time
        return Decision(
            proposals=proposals,
            scores=scores,
            chosen=chosen,
            emergency=bool(soon and float(scene.speed) <= c.emergency_speed),
        )
