"""Shapes of the networks that generate pictures and clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Positions = Literal["absolute", "rotary"]


@dataclass(frozen=True, kw_only=True)
class PatchDiTConfig:
    """The shape of a VideoDiT or an ImageDiT.

    Args:
        width: channels of a token.
        depth: number of transformer blocks.
        num_heads: attention heads; width / num_heads must be a multiple of 8.
        patch: rows and columns of a latent that make one token.
        channels: of a latent.
        known_channels: of what is told beside the noisy latent, after its channels; the output has none of these.
        num_classes: of labels; 0: none.
        time_scale: what noise levels are multiplied by: 1 for DDPM's steps, 1000 for the times of a flow, 0 to 1.
        learn_sigma: the output has as many channels again, for the variance.
        positions: "absolute", fixed and added once, or "rotary", in every attention.
        attention: "space": within a frame, all that a picture needs. "joint": over all frames. "factorised": blocks
            take turns, first within the frame, then each cell over the frames; then depth is even.
        qk_norm: norm queries and keys.
        mlp_ratio: hidden width of the MLP over width.
    """

    width: int
    depth: int
    num_heads: int
    patch: int = 2
    channels: int = 4
    known_channels: int = 0
    num_classes: int = 0
    time_scale: float = 1.0
    learn_sigma: bool = False
    positions: Positions = "rotary"
    attention: Literal["space", "joint", "factorised"] = "factorised"
    qk_norm: bool = True
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        for name in ("width", "depth", "num_heads", "patch", "channels", "mlp_ratio"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("num_classes", "known_channels"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.width % self.num_heads or (self.width // self.num_heads) % 8:
            raise ValueError(f"width / num_heads must be a multiple of 8, got {self.width} / {self.num_heads}")
        if self.positions not in ("absolute", "rotary"):
            raise ValueError(f'positions must be "absolute" or "rotary", got {self.positions!r}')
        if self.attention not in ("space", "joint", "factorised"):
            raise ValueError(f'attention must be "space", "joint" or "factorised", got {self.attention!r}')
        if self.attention == "factorised" and self.depth % 2:
            raise ValueError(f"factorised attention needs an even depth, got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class UNet3DConfig:
    """UNet3D's shape.

    Args:
        channels: of the clips.
        known_channels: of what is told beside the noisy clip, after its channels; the output has none of these.
        widths: channels at each level, multiples of 8; each level has half the height and width of the one before.
        num_blocks: residual blocks at each level, on the way down and on the way up.
        attention_levels: numbers of the levels, 0 the finest, whose blocks also attend; those in the middle always do.
        attention: "factorised": over the cells of a frame, then over the frames of a cell. "joint": over all of them.
        head_width: channels of an attention head, a multiple of 8 that divides the width of each level that attends.
        num_classes: of labels; 0: none.
        time_scale: what noise levels are multiplied by: 1 for DDPM's steps, 1000 for the times of a flow, 0 to 1.
        learn_sigma: the output has as many channels again, for the variance.
    """

    channels: int = 3
    known_channels: int = 0
    widths: tuple[int, ...] = (64, 128, 256, 448)
    num_blocks: int = 2
    attention_levels: tuple[int, ...] = (2, 3)
    attention: Literal["factorised", "joint"] = "factorised"
    head_width: int = 64
    num_classes: int = 0
    time_scale: float = 1.0
    learn_sigma: bool = False

    def __post_init__(self) -> None:
        if not self.widths or any(w < 8 or w % 8 for w in self.widths):
            raise ValueError(f"widths must be multiples of 8, one for each level, got {self.widths}")
        if self.channels < 1 or self.num_blocks < 1 or self.num_classes < 0:
            raise ValueError(
                f"channels and num_blocks must be at least 1 and num_classes at least 0, got {self.channels}, "
                f"{self.num_blocks} and {self.num_classes}"
            )
        if any(not 0 <= level < len(self.widths) for level in self.attention_levels):
            raise ValueError(f"attention_levels must be among 0 to {len(self.widths) - 1}, got {self.attention_levels}")
        if self.attention not in ("factorised", "joint"):
            raise ValueError(f'attention must be "factorised" or "joint", got {self.attention!r}')
        attending = {self.widths[level] for level in self.attention_levels} | {self.widths[-1]}
        if self.head_width < 8 or self.head_width % 8 or any(w % self.head_width for w in attending):
            raise ValueError(
                f"head_width must be a multiple of 8 that divides {sorted(attending)}, got {self.head_width}"
            )


@dataclass(frozen=True, kw_only=True)
class VideoVAEConfig:
    """VideoVAE's shape; as it is, 16 frames of 256 x 256 x 3 become 4 of 32 x 32 x 4, 192 times fewer numbers.

    Args:
        channels: of frames.
        latent_channels: channels of a latent.
        widths: channels at 2x, 4x, 8x ... reduced height and width, multiples of 8.
        num_halvings: times that the number of frames is halved, each where height and width are; the coarsest are.
        num_blocks: residual blocks at each level, in the encoder and in the decoder.
        temporal_kernel: frames that a convolution over time sees.
    """

    channels: int = 3
    latent_channels: int = 4
    widths: tuple[int, ...] = (64, 128, 256)
    num_halvings: int = 2
    num_blocks: int = 2
    temporal_kernel: int = 3

    def __post_init__(self) -> None:
        for name in ("channels", "latent_channels", "num_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.widths or any(w < 8 or w % 8 for w in self.widths):
            raise ValueError(f"widths must be multiples of 8, one for each level, got {self.widths}")
        if not 0 <= self.num_halvings < len(self.widths):
            raise ValueError(f"num_halvings must be 0 to {len(self.widths) - 1}, got {self.num_halvings}")
        if self.temporal_kernel < 2:
            raise ValueError(f"temporal_kernel must be at least 2, got {self.temporal_kernel}")
