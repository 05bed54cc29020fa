"""SceneDecoder: the scene as it is decoded from what was generated, to be compared with what is tracked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from worldsim.actors.route_frame import find_scene_lead
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.datatypes.scene import SceneState
from worldsim.networks.scene_head import EGO_SCALE, SceneHead, targets_to_scene


@dataclass(frozen=True, kw_only=True)
class DecodedScene:
    """What the newest latents of `b` slots show.

    Args:
        scene: SceneState [b]; its ego motion and command are the tracked ones, all else is decoded.
        ego: speed [m/s] and yaw rate [rad/s], [b, 2].
        collision: probability, float [b].
        off_road: probability, float [b].
    """

    scene: SceneState
    ego: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray


class SceneDecoder:
    """SceneHead at work.

    Args:
        head: the network.
        grid: of the objects in the picture.
        ego_size: length and width of the ego [m].
    """

    def __init__(self, head: SceneHead, grid: ObjectGrid, ego_size: tuple[float, float]) -> None:
        self.head, self.grid, self.ego_size = head, grid, ego_size

    def read(self, latents: Tensor, ego: np.ndarray, commands: np.ndarray) -> DecodedScene:
        """The scene in the newest latents.

        Args:
            latents: newest first, [b, NUM_KEPT, c, h, w].
            ego: EGO_NAMES [b, 4], handed on.
            commands: RouteCommand [b], handed on.
        """
        estimate = self.head(latents[:, None]).map(lambda v: v[:, 0])
        scene = targets_to_scene(estimate, ego, commands, self.grid)

        # the lead among the objects found on the decoded route is truer than the head's estimate of it as a whole
        gap, speed, ahead = find_scene_lead(scene, self.ego_size)
        scene.lead[ahead], scene.lead_valid[ahead] = np.stack([gap, speed], axis=-1)[ahead], True

        return DecodedScene(
            scene=scene,
            ego=estimate.ego.cpu().numpy() * EGO_SCALE,
            collision=estimate.collision.sigmoid().cpu().numpy(),
            off_road=estimate.off_road.sigmoid().cpu().numpy(),
        )
