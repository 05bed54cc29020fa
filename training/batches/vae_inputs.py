"""What VAE3D is given of recorded frames."""

from __future__ import annotations

import numpy as np
import torch

from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import Surfaces

STYLE_FRAMES = (0, 2, 4, 6)
"""Frames before a rollout's first one whose light and weather it is given."""


def stack_surfaces(maps: list[SurfaceMap], device: torch.device) -> Surfaces:
    """Surfaces of many pictures on a device."""
    channels = np.stack([surfaces.channels.transpose(1, 2, 0) for surfaces in maps])
    parts = np.stack([surfaces.parts for surfaces in maps])
    return Surfaces(torch.from_numpy(channels).to(device).permute(0, 3, 1, 2), torch.from_numpy(parts).to(device))
