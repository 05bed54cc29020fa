"""VideoDenoiser: the denoiser of clips of which nothing is known but their frames and the controls."""

from __future__ import annotations

from dataclasses import replace

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS, still_grid
from worldsim.configs import DiTConfig, MemoryBankConfig, VAEConfig, WorldModelConfig
from worldsim.datatypes.scene import CONTROL_NAMES, UNKNOWN_COMMAND
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.memory_bank import MemoryBank
from worldsim.networks.dit import Conditions


class VideoDenoiser(Denoiser):
    """The driving model's network without what a layout tells it: every cell is unseen, so latents have unit variance.

    Past frames are attended to clean, whatever sampling left of them (`clean_cache`).

    Args:
        dit: shape of the network; causal, without style and route command.
        latent_channels: of the autoencoder.
        frame_size: height and width of a frame, 8 times those of a latent [px].
        memory: how it remembers what the window has left behind; None: not at all.

    Attributes:
        bank: its memory; None without one.
    """

    def __init__(
        self,
        dit: DiTConfig,
        latent_channels: int,
        frame_size: tuple[int, int],
        memory: MemoryBankConfig | None = None,
    ) -> None:
        dit = replace(
            dit, causal=True, clean_cache=True, use_style=False, use_command=False, use_memory=memory is not None
        )
        super().__init__(
            WorldModelConfig(frame_size=frame_size, vae=VAEConfig(latent_channels=latent_channels), dit=dit)
        )
        self.frame_size = frame_size
        self.step_std.fill_(1.0)
        self.bank = None if memory is None else MemoryBank(latent_channels, memory)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a latent."""
        return self.dit.latent_channels, *self.dit.latent_size

    def conditions(self, controls: Float[Tensor, "b t 4"]) -> Conditions:
        """Conditions of clips; `controls[:, k]`, by CONTROL_NAMES, is chosen at frame k and leads to frame k + 1, as in
        recordings."""
        b, t, num = controls.shape
        if num != len(CONTROL_NAMES):
            raise ValueError(f"controls must be {', '.join(CONTROL_NAMES)}, {len(CONTROL_NAMES)} numbers, got {num}")
        h, w = self.dit.latent_size
        known = torch.ones((b, t), dtype=torch.bool, device=controls.device)
        known[:, 0] = False
        led_here = torch.cat([torch.zeros_like(controls[:, :1]), controls[:, :-1]], dim=1)
        grid = torch.from_numpy(still_grid(h, w)).to(controls.device)
        return Conditions(
            controls=led_here,
            motions=controls.new_zeros(b, t, 6),
            commands=torch.full((b, t), UNKNOWN_COMMAND, device=controls.device),
            known=known,
            surfaces=controls.new_zeros(b, t, NUM_CONDITION_CHANNELS, h, w),
            grid=repeat(grid, "h w xy -> b t h w xy", b=b, t=t),
            visible=controls.new_zeros(b, t, h, w),
            style=controls.new_zeros(b, t, 1),
        )
