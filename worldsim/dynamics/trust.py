"""How far a generated frame may be believed: hallucination signals, and a calibrated trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

TrustSignals = Literal["free", "full"]
"""What trust is made from: what sampling and fetching give anyway, or also signals that cost a pass of the network,
an encoding of the frame and a reading of the scene off it."""
PICTURE_SIGNALS = ("uncovered", "painted", "changed", "detail", "start_error", "round_trip", "style_drift")
"""Those that are measured on pictures, the last two only where they are asked for."""
FREE_SIGNALS = ("flow_instability", "surprise", *PICTURE_SIGNALS[:-2])
"""Of the newest latent: how far the first sampling step's estimate was from the last one's (NaN where there is but one
step), and how far the sample was from its prior, both RMS in units of the prior's deviation. Of the newest picture: the
share that no earlier picture shows; the share that goes back to no recorded frame, through however many pictures; how
far on average what was fetched was changed, and how far neighbouring pixels are apart, both of a range of 2. Of the
drive: how far its last recorded frame is from what is made in its place, RMS."""
DISAGREEMENTS = ("speed_disagreement", "yaw_rate_disagreement", "lateral_disagreement")
"""How far decoded speed [m/s], yaw rate [rad/s] and lateral offset [m] are from the tracked ones."""
FULL_SIGNALS = (*FREE_SIGNALS, "seed_disagreement", "round_trip", "style_drift", *DISAGREEMENTS)
"""And how far the first estimate would have been from its own under another noise, RMS in units of the prior's
deviation; how far the latent is from what the encoder makes of its picture, RMS; how far the style read off the picture
is from the drive's, RMS; and the disagreements."""
LATENT_SIGNALS = ("flow_instability", "surprise", "seed_disagreement")
"""Those that are measured on latents, the last one only where it is asked for."""
FLOOR = 1e-3
"""Added before the logarithm of a signal is taken."""


class TrustModel(nn.Module):
    """Trust: the probability that the error of a frame is not among the worst twentieth.

    A logistic regression on the logarithms of the signals, fitted by training to rollouts beside recordings.

    Args:
        num_signals: how many of FULL_SIGNALS it weighs, the first ones.
    """

    def __init__(self, num_signals: int) -> None:
        super().__init__()
        self.centre: Tensor
        self.scale: Tensor
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("centre", torch.zeros(num_signals))
        self.register_buffer("scale", torch.ones(num_signals))
        self.register_buffer("weight", torch.zeros(num_signals))
        self.register_buffer("bias", torch.tensor(-3.0))

    def standardised(self, signals: Float[Tensor, "*b k"]) -> Float[Tensor, "*b j"]:
        """Logarithms of the signals it weighs, with zero mean and unit variance over rollouts; NaN, unknown ones, are
        0."""
        return ((signals[..., : len(self.weight)] + FLOOR).log() - self.centre).div(self.scale).nan_to_num(0.0)

    def forward(self, signals: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
        """Trust in [0, 1]; of more signals than it weighs the first are taken."""
        return 1 - (self.standardised(signals) @ self.weight + self.bias).sigmoid()


@dataclass(frozen=True)
class TrustScores:
    """How far the newest frames of `b` slots may be believed.

    Args:
        trust: in [0, 1], float [b].
        signals: what it is made from, and the disagreements of decoded and tracked values, each float [b].
    """

    trust: np.ndarray
    signals: dict[str, np.ndarray]
