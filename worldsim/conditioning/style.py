"""The style of a drive, its light, weather and colours, as statistics of its latents; how a long rollout keeps it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def style_statistics(latents: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b k"]:
    """The style in 4 c numbers: each channel's mean and deviation over the upper half, then over the lower."""
    upper, lower = latents.chunk(2, dim=-2)
    return torch.cat([f for half in (upper, lower) for f in (half.mean((-2, -1)), half.std((-2, -1)))], dim=-1)


def style_distance(style: Float[Tensor, "*b k"], other: Float[Tensor, "*b k"]) -> Float[Tensor, "*b k"]:
    """How far a style is from another: differences of means, logarithms of ratios of deviations."""
    mean, std, lower_mean, lower_std = style.chunk(4, dim=-1)
    of_mean, of_std, of_lower_mean, of_lower_std = other.chunk(4, dim=-1)
    return torch.cat(
        [mean - of_mean, (std / of_std).log(), lower_mean - of_lower_mean, (lower_std / of_lower_std).log()], dim=-1
    )


def keep_style(
    latents: Float[Tensor, "*b c h w"], style: Float[Tensor, "*b k"], limit: Float[Tensor, "k"]
) -> Float[Tensor, "*b c h w"]:
    """Latents whose style is farther from `style` than `limit`, pulled back to the limit: means either way, deviations
    where they are too large. Small errors of one step must not add up over hundreds."""
    halves = []
    parts = zip(
        latents.chunk(2, dim=-2),
        style_statistics(latents).chunk(2, dim=-1),
        style.chunk(2, dim=-1),
        limit.chunk(2),
        strict=True,
    )
    for half, own, other, most in parts:
        (mean, std), (to_mean, to_std), (by, ratio) = (v.chunk(2, dim=-1) for v in (own, other, most))
        kept = torch.minimum(torch.maximum(mean, to_mean - by), to_mean + by)
        scale = torch.minimum(std, to_std * ratio.exp()) / std.clamp(min=1e-6)
        halves.append((half - mean[..., None, None]) * scale[..., None, None] + kept[..., None, None])
    return torch.cat(halves, dim=-2)
