"""One step towards the data as a Gaussian: q(x_s | x_t, x_0), its variance between two bounds, and what the step costs.

Ho et al. 2020, eq. 6 and 7, for any path; the learned variance and its loss are Nichol and Dhariwal 2021's, as in DiT.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from worldsim.diffusion.paths import VariancePreserving, expand_time
from worldsim.diffusion.predictions import Kind, Prediction

BIN = 2 / 255
"""Width of a grey level in data between -1 and 1."""
LEAST_PROBABILITY = 1e-12


class ReverseStep(NamedTuple):
    """x_s given x_t and x_0: mean from_noisy x_t + from_data x_0.

    least_variance: β̃, that of x_s if x_0 is known. most_variance: β, what the path adds from s to t; right where the
    data have unit variance.
    """

    from_noisy: Tensor
    from_data: Tensor
    least_variance: Tensor
    most_variance: Tensor

    @staticmethod
    def between(alpha_t: Tensor, sigma_t: Tensor, alpha_s: Tensor, sigma_s: Tensor) -> ReverseStep:
        """The step from t to the cleaner s; any shapes that broadcast."""
        alpha = alpha_t / alpha_s
        added = sigma_t**2 - (alpha * sigma_s) ** 2
        share = sigma_s**2 / sigma_t**2
        return ReverseStep(alpha * share, alpha_s * added / sigma_t**2, added * share, added)

    def log_variance(self, fraction: Tensor) -> Tensor:
        """Between the bounds, linear in the logarithm; fraction 0 is the least."""
        least, most = (expand_time(v.log(), fraction) for v in (self.least_variance, self.most_variance))
        return torch.lerp(least.to(fraction), most.to(fraction), fraction)


def variational_bits(
    path: VariancePreserving,
    data: Float[Tensor, "b ..."],
    x: Float[Tensor, "b ..."],
    t: Float[Tensor, "b *frames"],
    prediction: Prediction,
    bin_width: float = BIN,
) -> Float[Tensor, "b"]:
    """The term of the variational bound at steps t, in bits per value.

    KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), at step 0 the negative log-likelihood of data in bins (of grey levels
    between -1 and 1). The mean gets no gradient: this trains the variance alone.

    Raises:
        ValueError: the prediction has no variance, or t are not steps.
    """
    if prediction.variance is None:
        raise ValueError("variational_bits needs a prediction with a variance, got one without")
    if (t != t.round()).any():
        raise ValueError(f"t must be whole steps, got {t[t != t.round()][0]:g}")
    t = t.double()
    step = _unclipped_step(path, t)
    log_variance = step.log_variance(prediction.variance)
    estimate = Prediction(prediction.kind, prediction.value.detach()).to(Kind.DATA, x, t, path)

    # the means differ by how far the data is off
    from_data, true_log_variance = (expand_time(v.to(x.dtype), x) for v in (step.from_data, step.least_variance.log()))
    gap = from_data * (data - estimate)
    ratio = true_log_variance - log_variance
    divergence = 0.5 * (torch.exp(ratio) - 1 - ratio + gap**2 * torch.exp(-log_variance))

    unlikely = -_log_likelihood_of_bins(data, estimate, torch.exp(0.5 * log_variance), bin_width)
    nats = torch.where(expand_time(t, x) == 0, unlikely, divergence)
    return nats.flatten(1).mean(1) / math.log(2)


def _unclipped_step(path: VariancePreserving, t: Tensor) -> ReverseStep:
    """The step from t to t - 1; step 0, whose least variance is 0, has that of step 1."""
    step = ReverseStep.between(path.alpha(t), path.sigma(t), path.alpha(t - 1), path.sigma(t - 1))
    one, zero = t.new_ones(()), t.new_zeros(())
    second = ReverseStep.between(path.alpha(one), path.sigma(one), path.alpha(zero), path.sigma(zero))
    return step._replace(least_variance=torch.where(t == 0, second.least_variance, step.least_variance))


def _log_likelihood_of_bins(data: Tensor, mean: Tensor, std: Tensor, bin_width: float) -> Tensor:
    """Log-probability of the bins around `data`; the outermost reach to infinity."""
    upper = torch.special.ndtr((data + bin_width / 2 - mean) / std)
    lower = torch.special.ndtr((data - bin_width / 2 - mean) / std)
    upper = torch.where(data > 1 - bin_width / 2, 1.0, upper)
    lower = torch.where(data < -1 + bin_width / 2, 0.0, lower)
    return (upper - lower).clamp(min=LEAST_PROBABILITY).log()
