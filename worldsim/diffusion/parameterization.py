"""What a network's output means: path, prediction and variance together; asking a network, and its training loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from worldsim.diffusion.ancestral import BIN, variational_bits
from worldsim.diffusion.paths import Path, VariancePreserving, expand_time
from worldsim.diffusion.predictions import Denoise, Kind, Prediction, pair, target


class Losses(NamedTuple):
    """error: mean squared error of each sample, [b]. variational: term of the variational bound, in bits per value, 0
    where no variance is learned, [b]."""

    error: Float[Tensor, "b"]
    variational: Float[Tensor, "b"]

    @property
    def total(self) -> Float[Tensor, "b"]:
        """What is minimised, [b]; for 1000 steps Nichol and Dhariwal 2021's L_hybrid, DiT's loss."""
        return self.error + self.variational


@dataclass(frozen=True, kw_only=True)
class Parameterization:
    """How a network is asked for a prediction, and trained to give it.

    A network takes (input, time, *conditions): the input is x_t times the path's `input_scale`, the time [b] the path's
    `network_time`; it returns the prediction, with learned variance twice as many channels.

    Attributes:
        path: from noise to data.
        predicts: what the output is.
        measured_in: the loss is the squared error of this kind; None for what is predicted. NOISE is DDPM's simple
            loss, RESIDUAL EDM's, VELOCITY flow matching's.
        learned_variance: the second half of the channels, from -1 to 1, says where between β̃ and β a step's variance
            lies. Needs a VariancePreserving path.
        channel_dim: which dim of the output the channels are.
        bin_width: of the data's grey levels, between -1 and 1 (learned variance).
    """

    path: Path
    predicts: Kind
    measured_in: Kind | None = None
    learned_variance: bool = False
    channel_dim: int = 1
    bin_width: float = BIN

    def __post_init__(self) -> None:
        if self.learned_variance and not isinstance(self.path, VariancePreserving):
            raise ValueError(f"learned_variance needs a VariancePreserving path, got {type(self.path).__name__}")
        if not self.bin_width > 0:
            raise ValueError(f"bin_width must be positive, got {self.bin_width}")

    def ask(
        self,
        network: Callable[..., Tensor],
        x: Float[Tensor, "b ..."],
        t: Float[Tensor, "b *frames"],
        *conditions: Tensor,
    ) -> Prediction:
        """What the network says of x_t; `t` has the leading dims of `x`.

        Raises:
            ValueError: the output has not x's shape, with learned variance with twice the channels.
        """
        scale = expand_time(self.path.input_scale(t), x).to(x.dtype)
        output = network(scale * x, self.path.network_time(t), *conditions)
        expected = list(x.shape)
        expected[self.channel_dim] *= 2 if self.learned_variance else 1
        if list(output.shape) != expected:
            raise ValueError(f"the network's output must have the shape {expected}, got {list(output.shape)}")
        if not self.learned_variance:
            return Prediction(self.predicts, output)
        value, between = output.chunk(2, dim=self.channel_dim)
        return Prediction(self.predicts, value, (between + 1) / 2)

    def denoiser(self, network: Callable[..., Tensor], *conditions: Tensor) -> Denoise:
        """What samplers ask, with the conditions [b, ...] fixed."""
        return lambda x, t: self.denoise(network, x, t, *conditions)

    def denoise(
        self, network: Callable[..., Tensor], x: Float[Tensor, "b ..."], t: float, *conditions: Tensor
    ) -> Prediction:
        """`ask` at one time for all of a batch."""
        return self.ask(network, x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), *conditions)

    def losses(
        self,
        network: Callable[..., Tensor],
        data: Float[Tensor, "b ..."],
        *conditions: Tensor,
        generator: torch.Generator,
        t: Float[Tensor, "b *frames"] | None = None,
    ) -> Losses:
        """The losses of each sample [b, ...] at drawn times with drawn noise.

        Args:
            t: times, if not drawn as the path draws them, [b] or with more leading dims of the data.

        Raises:
            ValueError: see `ask`; or the loss cannot be measured in `measured_in` at a time.
        """
        if t is None:
            t = self.path.draw_times((len(data),), generator)
        t = t.to(data.device)
        noise = torch.randn(data.shape, generator=generator, device=generator.device).to(data)
        x = self.path.interpolate(data, noise, t)
        prediction = self.ask(network, x, t, *conditions)
        error = (prediction.value - target(self.predicts, self.path, data, noise, t)).square()
        if self.measured_in is not None:
            error = expand_time(self._weight(self.measured_in, t).to(error.dtype), error) * error

        squared = error.flatten(1).mean(1)
        if isinstance(self.path, VariancePreserving) and self.learned_variance:
            return Losses(squared, variational_bits(self.path, data, x, t, prediction, self.bin_width))
        return Losses(squared, torch.zeros_like(squared))

    def _weight(self, kind: Kind, t: Tensor) -> Tensor:
        """Squared error of `kind` over that of what is predicted."""
        weight = (pair(kind, self.path, t)[1] / pair(self.predicts, self.path, t)[1]) ** 2
        if not weight.isfinite().all():
            time = t[~weight.isfinite()].flatten()[0]
            raise ValueError(f"an error of {self.predicts.value} has no size as {kind.value} at t = {time:g}")
        return weight
