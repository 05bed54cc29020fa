"""SceneDecoder: the scene as pictures alone show it, to be compared with what is tracked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldsim.actors.route_frame import find_scene_lead
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.datatypes.scene import ROUTE_DISTANCES, EgoColumn, SceneState
from worldsim.networks.scene_reader import NUM_READ, SceneEstimate, SceneReader
from worldsim.networks.vae3d import frames_to_float

EGO_COLUMNS = [EgoColumn.SPEED, EgoColumn.YAW_RATE]
"""What is decoded of the ego's motion."""
EGO_SCALE = np.array([5.0, 0.25], np.float32)
LANE_SCALE = np.array([1.0, 0.15, 2.0, 10.0], np.float32)
ROUTE_SCALE = np.array(ROUTE_DISTANCES, np.float32)[:, None]
LEAD_SPEED_SCALE = 10.0
"""Divide what the network estimates to about unit size; of the lead's gap it estimates log(1 + gap)."""


@dataclass(frozen=True, kw_only=True)
class DecodedScene:
    """What the newest pictures of `b` slots show.

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
    """SceneReader at work. It is an independent witness: it is shown pictures, and nothing that they were made from.

    Args:
        reader: the network.
        grid: of the objects in the picture.
        ego_size: length and width of the ego [m].
    """

    def __init__(self, reader: SceneReader, grid: ObjectGrid, ego_size: tuple[float, float]) -> None:
        self.reader, self.grid, self.ego_size = reader, grid, ego_size

    @torch.no_grad()
    def read(self, frames: np.ndarray, ego: np.ndarray, commands: np.ndarray) -> DecodedScene:
        """The scene in the newest frames.

        Args:
            frames: oldest first, RGB uint8 [b, k, h, w, 3]; the last NUM_READ are read, of fewer the first is repeated.
            ego: EGO_NAMES [b, 4], handed on.
            commands: RouteCommand [b], handed on.
        """
        device = next(self.reader.parameters()).device
        estimate = self.reader(frames_to_float(torch.from_numpy(newest_frames(frames)).to(device)))
        scene = estimate_to_scene(estimate, ego, commands, self.grid)

        # the lead among the objects found on the decoded route is truer than the estimate of it from the whole picture
        gap, speed, ahead = find_scene_lead(scene, self.ego_size)
        scene.lead[ahead], scene.lead_valid[ahead] = np.stack([gap, speed], axis=-1)[ahead], True

        return DecodedScene(
            scene=scene,
            ego=_array(estimate.ego) * EGO_SCALE,
            collision=_array(estimate.collision.float().sigmoid()),
            off_road=_array(estimate.off_road.float().sigmoid()),
        )


def newest_frames(frames: np.ndarray) -> np.ndarray:
    """The last NUM_READ of frames [b, k, h, w, 3]; of fewer the first is repeated.

    Raises:
        ValueError: there are none, or they are no RGB pictures of a size that the network takes.
    """
    if frames.ndim != 5 or not frames.shape[1] or frames.shape[-1] != 3 or any(n % 16 for n in frames.shape[2:4]):
        raise ValueError(
            f"pictures must be [b, k, h, w, 3] with k at least 1, h and w multiples of 16, got {frames.shape}"
        )
    missing = max(0, NUM_READ - frames.shape[1])
    return np.concatenate([np.repeat(frames[:, :1], missing, axis=1), frames[:, -NUM_READ:]], axis=1)


def estimate_to_scene(
    estimate: SceneEstimate, vehicle_ego: np.ndarray, commands: np.ndarray, grid: ObjectGrid
) -> SceneState:
    """The SceneState [n] of an estimate of `n` pictures.

    Args:
        vehicle_ego: EGO_NAMES of the integrated motion, [n, 4]; motion is computed, not estimated.
        commands: RouteCommand [n].
        grid: of the pictures.
    """
    scene = SceneState.empty((len(vehicle_ego),))
    log_gap, lead_speed = _array(estimate.lead).T
    lead = np.stack([np.expm1(np.clip(log_gap, 0, 5)), lead_speed * LEAD_SPEED_SCALE], axis=-1)
    lead_valid = _array(estimate.lead_present) > 0

    cells = (_array(estimate.present), _array(estimate.kind), _array(estimate.values))
    scene.objects[:], scene.object_kinds[:] = grid.decode_objects(*cells)
    scene.ego[:] = vehicle_ego
    scene.lane[:] = _array(estimate.lane) * LANE_SCALE
    scene.route[:] = _array(estimate.route) * ROUTE_SCALE
    scene.lead[:] = np.where(lead_valid[:, None], lead, 0.0)
    scene.command[:] = commands

    scene.lead_valid[:] = lead_valid
    scene.ego_valid[:] = True
    scene.lane_valid[:] = True
    scene.route_valid[:] = True
    return scene


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
