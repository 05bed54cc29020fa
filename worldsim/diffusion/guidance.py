"""Classifier-free guidance (Ho and Salimans 2022): two conventions for its scale, and label dropout for training."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import torch
from torch import Tensor

from worldsim.diffusion.predictions import Denoise, Prediction


class Convention(Enum):
    """How a guidance scale s is meant, with c the conditional and u the unconditional prediction.

    SCALE: u + s (c - u), none at 1 (Saharia et al. 2022; DiT). STRENGTH: (1 + s) c - s u, none at 0 (Ho and Salimans
    2022). A strength s is the scale 1 + s.
    """

    SCALE = "u + s (c - u)"
    STRENGTH = "(1 + s) c - s u"


def guide(
    conditional: Tensor,
    unconditional: Tensor,
    scale: float,
    convention: Convention = Convention.SCALE,
    num_channels: int | None = None,
    channel_dim: int = 1,
) -> Tensor:
    """The prediction moved on from the unconditional past the conditional one.

    Noise, data, v, velocity, score and residual are linear in one another, so all give the same guided sample.

    Args:
        num_channels: guide so many of the first channels and leave the others conditional; None for all. DiT's sampling
            guides 3 of its 4.
        channel_dim: which dim the channels are.

    Raises:
        ValueError: the shapes differ, or there are not so many channels.
    """
    if conditional.shape != unconditional.shape:
        shapes = f"{tuple(conditional.shape)} and {tuple(unconditional.shape)}"
        raise ValueError(f"conditional and unconditional must have one shape, got {shapes}")
    if convention is Convention.STRENGTH:
        scale = 1 + scale
    if num_channels is None:
        return unconditional + scale * (conditional - unconditional)

    channels = conditional.shape[channel_dim]
    if not 0 < num_channels <= channels:
        raise ValueError(f"num_channels must be between 1 and {channels}, got {num_channels}")
    c, rest = conditional.tensor_split([num_channels], dim=channel_dim)
    u, _ = unconditional.tensor_split([num_channels], dim=channel_dim)
    return torch.cat([u + scale * (c - u), rest], dim=channel_dim)


def guided(
    denoise: Callable[[Tensor, float, Tensor], Prediction],
    condition: Tensor,
    no_condition: Tensor,
    scale: float,
    convention: Convention = Convention.SCALE,
    num_channels: int | None = None,
    channel_dim: int = 1,
) -> Denoise:
    """What samplers ask, from a `denoise` that also takes a condition: both predictions in one batch, guided.

    A learned variance is the conditional prediction's.

    Args:
        condition: what is asked for, [b, ...].
        no_condition: the same where nothing is, as the null label, [b, ...].
        scale: see `guide`.
        convention: likewise.
        num_channels: likewise.
        channel_dim: likewise.
    """
    both = torch.cat([condition, no_condition])

    def denoise_guided(x: Tensor, t: float) -> Prediction:
        prediction = denoise(torch.cat([x, x]), t, both)
        conditional, unconditional = prediction.value.chunk(2)
        value = guide(conditional, unconditional, scale, convention, num_channels, channel_dim)
        variance = None if prediction.variance is None else prediction.variance.chunk(2)[0]
        return Prediction(prediction.kind, value, variance)

    return denoise_guided


def drop_labels(labels: Tensor, probability: float, null_label: int, generator: torch.Generator) -> Tensor:
    """Labels with each replaced by the null label with `probability`, so that a network learns both predictions.

    Raises:
        ValueError: probability is not in [0, 1].
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be between 0 and 1, got {probability}")
    dropped = torch.rand(labels.shape, generator=generator, device=generator.device) < probability
    return torch.where(dropped.to(labels.device), null_label, labels)
