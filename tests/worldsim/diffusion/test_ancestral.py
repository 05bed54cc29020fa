"""A reverse step against Bayes' rule, and the variational bound's terms against torch's divergences."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from worldsim.diffusion.ancestral import ReverseStep, variational_bits
from worldsim.diffusion.paths import Level, VariancePreserving
from worldsim.diffusion.predictions import Kind, Prediction

PATH = VariancePreserving.linear(50)


def step_between(now: Level, then: Level) -> ReverseStep:
    return ReverseStep.between(*(torch.tensor(level, dtype=torch.float64) for level in (*now, *then)))


def test_a_reverse_step_is_bayes_rule() -> None:
    now, then, data, x = PATH.at(30.0), PATH.at(20.0), 0.7, 0.2
    alpha = now.alpha / then.alpha
    added = now.sigma**2 - (alpha * then.sigma) ** 2
    precision = 1 / then.sigma**2 + alpha**2 / added
    mean = (then.alpha * data / then.sigma**2 + alpha * x / added) / precision

    step = step_between(now, then)
    assert (step.from_noisy * x + step.from_data * data).item() == pytest.approx(mean)
    assert step.least_variance.item() == pytest.approx(1 / precision)
    assert step.most_variance.item() == pytest.approx(added)


def test_neighbouring_steps_add_beta() -> None:
    assert step_between(PATH.at(7.0), PATH.at(6.0)).most_variance.item() == pytest.approx(PATH.betas[7].item())


def noised(t: int) -> tuple[Tensor, Tensor, Tensor]:
    data, noise = torch.rand(2, 3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    steps = torch.full((3,), float(t), dtype=torch.float64)
    return data, steps, PATH.interpolate(data, noise, steps)


def test_the_term_of_a_step_is_the_divergence_in_bits() -> None:
    data, t, x = noised(20)
    estimate, fraction = 0.8 * data, torch.full_like(data, 0.3)
    step = step_between(PATH.at(20.0), PATH.at(19.0))
    true = Normal(step.from_noisy * x + step.from_data * data, step.least_variance.sqrt())
    std = (step.least_variance.log() * 0.7 + step.most_variance.log() * 0.3).div(2).exp()
    model = Normal(step.from_noisy * x + step.from_data * estimate, std)
    expected = kl_divergence(true, model).flatten(1).mean(1) / math.log(2)
    bits = variational_bits(PATH, data, x, t, Prediction(Kind.DATA, estimate, fraction))
    torch.testing.assert_close(bits, expected)


def test_the_truth_costs_nothing() -> None:
    data, t, x = noised(20)
    bits = variational_bits(PATH, data, x, t, Prediction(Kind.DATA, data, torch.zeros_like(data)))
    torch.testing.assert_close(bits, torch.zeros_like(bits))


def test_the_last_term_is_the_likelihood_of_grey_levels() -> None:
    _, t, _ = noised(0)
    data = torch.linspace(-1, 1, 96, dtype=torch.float64).reshape(3, 2, 4, 4)
    data[0, 0, 0, 0], data[-1, -1, -1, -1] = -1.0, 1.0
    fraction = torch.full_like(data, 0.5)
    estimate = data + 0.004
    step, second = step_between(PATH.at(0.0), PATH.at(-1.0)), step_between(PATH.at(1.0), PATH.at(0.0))
    model = Normal(estimate, (0.25 * (step.most_variance.log() + second.least_variance.log())).exp())
    upper, lower = model.cdf(data + 1 / 255), model.cdf(data - 1 / 255)
    upper[-1, -1, -1, -1], lower[0, 0, 0, 0] = 1.0, 0.0
    expected = -(upper - lower).log2().flatten(1).mean(1)
    bits = variational_bits(PATH, data, data, t, Prediction(Kind.DATA, estimate, fraction))
    torch.testing.assert_close(bits, expected)


def test_the_mean_gets_no_gradient_and_the_variance_does() -> None:
    data, t, x = noised(10)
    value, fraction = (0.9 * data).requires_grad_(), torch.full_like(data, 0.4).requires_grad_()
    variational_bits(PATH, data, x, t, Prediction(Kind.DATA, value, fraction)).sum().backward()
    assert value.grad is None
    assert fraction.grad is not None
    assert fraction.grad.abs().min() > 0


def test_wrong_arguments_are_refused() -> None:
    data, t, x = noised(10)
    with pytest.raises(ValueError, match="needs a prediction with a variance"):
        variational_bits(PATH, data, x, t, Prediction(Kind.DATA, data))
    with pytest.raises(ValueError, match=r"t must be whole steps, got 10\.5"):
        variational_bits(PATH, data, x, t + 0.5, Prediction(Kind.DATA, data, data))
