"""A batch of latents as training's stages have it."""

import numpy as np
import torch

from training.batches.latent_windows import LatentBatch
from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS, still_grid
from worldsim.networks.dit import Conditions


def one_batch(b: int = 2, t: int = 5) -> LatentBatch:
    """Latents that jump by the control: what comes next is not what was there."""
    generator = torch.Generator().manual_seed(0)
    controls = torch.zeros(b, t, 4)
    controls[..., 0] = torch.randint(0, 2, (b, t), generator=generator) * 2.0 - 1
    latents = (
        0.5 * torch.randn(b, 1, 8, 16, 16, generator=generator) + controls[..., 0].cumsum(1)[..., None, None, None]
    )
    known = torch.ones(b, t, dtype=torch.bool)
    known[:, 0] = False
    return LatentBatch(
        latents=latents,
        conditions=Conditions(
            controls=controls,
            motions=torch.zeros(b, t, 6),
            commands=torch.zeros(b, t, dtype=torch.long),
            known=known,
            surfaces=torch.zeros(b, t, NUM_CONDITION_CHANNELS, 16, 16),
            grid=torch.from_numpy(still_grid(16, 16)).expand(b, t, -1, -1, -1),
            visible=torch.ones(b, t, 16, 16),
            style=torch.zeros(b, t, 32),
        ),
        first=np.zeros(b, np.int64),
    )
