"""How far a generated frame may be believed: hallucination signals of its sampling, and a calibrated trust."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

SIGNAL_NAMES = ("flow_instability", "surprise", "look_drift")
"""Of the newest latent: how far the first sampling step's estimate was from the last one's (NaN where there is but one
step), and how far the sample was from its prior, both RMS in units of the prior's deviation; how far its look is from
the start's, in units of the limit."""
FLOOR = 1e-3
"""Added before the logarithm of a signal is taken."""


class TrustModel(nn.Module):
    """Trust: the probability that the error of a frame is not among the worst twentieth.

    A logistic regression on the logarithms of the signals, fitted by training to rollouts beside recordings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.centre: Tensor
        self.scale: Tensor
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("centre", torch.zeros(len(SIGNAL_NAMES)))
        self.register_buffer("scale", torch.ones(len(SIGNAL_NAMES)))
        self.register_buffer("weight", torch.zeros(len(SIGNAL_NAMES)))
        self.register_buffer("bias", torch.tensor(-3.0))

    def standardised(self, signals: Float[Tensor, "*b k"]) -> Float[Tensor, "*b k"]:
        """Logarithms of SIGNAL_NAMES with zero mean and unit variance over rollouts; NaN, unknown ones, are 0."""
        return ((signals + FLOOR).log() - self.centre).div(self.scale).nan_to_num(0.0)

    def forward(self, signals: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
        """Trust in [0, 1]."""
        return 1 - (self.standardised(signals) @ self.weight + self.bias).sigmoid()
