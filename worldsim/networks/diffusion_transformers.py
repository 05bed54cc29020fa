"""VideoDiT and ImageDiT: diffusion transformers over the patches of latents, of clips and of pictures."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.networks.dit import block_axes
from worldsim.networks.embeddings import NoiseEmbedding, position_embedding
from worldsim.networks.generative_configs import PatchDiTConfig
from worldsim.networks.layers import DiTBlock
from worldsim.networks.rope import Axis, Rotation, axial_angles, rotation_of


class VideoDiT(nn.Module):
    """A latent video diffusion transformer: patches of each frame are tokens, blocks are AdaLN-Zero (Peebles and Xie
    2023), attention over space and over time take turns (Ma et al. 2024, Latte).

    At initialisation the output is 0. Height, width and number of frames are free.
    """

    def __init__(self, config: PatchDiTConfig) -> None:
        super().__init__()
        self.config = config
        d, pixels = config.width, config.patch**2
        self.embedding = NoiseEmbedding(d, config.num_classes, config.time_scale)
        self.patches = nn.Linear((config.channels + config.known_channels) * pixels, d)
        self.axes = block_axes(config.attention, config.depth)
        self.blocks = nn.ModuleList(
            [
                DiTBlock(d, config.num_heads, config.mlp_ratio, axis, config.qk_norm, convolve=False, cached=False)
                for axis in self.axes
            ]
        )
        self.modulation = nn.Linear(d, 2 * d)
        self.out = nn.Linear(d, pixels * config.channels * (2 if config.learn_sigma else 1))

        for name, layer in self.named_modules():  # those of AdaLN-Zero stay 0, those that embed stay small
            if isinstance(layer, nn.Linear) and not name.startswith("embedding") and "modulation" not in name:
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for parameter in (*self.modulation.parameters(), *self.out.parameters()):
            nn.init.zeros_(parameter)

    @property
    def null_label(self) -> int:
        """The label that stands for any class."""
        return self.embedding.null_label

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        t: Float[Tensor, "b"] | Int[Tensor, "b"],
        label: Int[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b out t h w"]:
        """What the network makes of noisy latents; as many channels as a latent has, with `learn_sigma` twice.

        Args:
            x: noisy latents, and what is known beside them.
            t: noise level of each, see NoiseEmbedding.
            label: class of each, or `null_label`; None: any.

        Raises:
            ValueError: the patch does not divide the latents' height or width, channels are others, or a label is
                wrong.
        """
        config, p = self.config, self.config.patch
        c, frames, height, width = x.shape[1:]
        expected = config.channels + config.known_channels
        if c != expected:
            raise ValueError(f"latents have {c} channels, the network was built for {expected}")
        if height % p or width % p:
            raise ValueError(f"height and width must be multiples of the patch, {p}, got {height} x {width}")
        grid = (height // p, width // p)

        tokens = self.patches(rearrange(x, "b c t (h p) (w q) -> b t (h w) (c p q)", p=p, q=p))
        condition = self.embedding(t, label)[:, None]
        rotations: dict[Axis, Rotation] = {}
        if config.positions == "rotary":
            times, head_width = torch.arange(frames, device=x.device), config.width // config.num_heads
            rotations = {axis: rotation_of(axial_angles(times, grid, head_width, axis)) for axis in set(self.axes)}
        else:
            numbered = None if config.attention == "space" else frames
            tokens = tokens + position_embedding(numbered, grid, config.width, x.device).to(tokens.dtype)

        for axis, block in zip(self.axes, self.blocks, strict=True):
            tokens, _ = block(tokens, condition, grid, rotations.get(axis), None, None)

        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        tokens = self.out(F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6) * (1 + scale) + shift)
        return rearrange(tokens, "b t (h w) (p q c) -> b c t (h p) (w q)", h=grid[0], p=p, q=p)


class ImageDiT(VideoDiT):
    """The diffusion transformer over pictures: clips of one frame.

    With attention "space", absolute positions, no QK norm and learned sigma it is that of Peebles and Xie 2023.
    """

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"] | Int[Tensor, "b"],
        label: Int[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b out h w"]:
        """As VideoDiT.forward, of pictures."""
        return super().forward(x[:, :, None], t, label)[:, :, 0]
