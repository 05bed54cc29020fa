"""The flow's algebra against closed forms, in float64."""

import numpy as np
import pytest
import torch

from worldsim.dynamics.flow import TAU_MAX, euler_sample, interpolate, posterior, sample_times, step_times


def test_posterior_at_noise_is_the_prior_and_near_data_is_the_data() -> None:
    torch.manual_seed(0)
    data = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    noise = torch.randn_like(data)
    std = torch.tensor(0.3, dtype=torch.float64)
    mean, spread = posterior(noise, torch.zeros(3, dtype=torch.float64), std)
    assert not mean.any()
    torch.testing.assert_close(spread, torch.full_like(spread, 0.3))
    tau = torch.full((3,), TAU_MAX, dtype=torch.float64)
    mean, spread = posterior(interpolate(torch.zeros_like(data), data, tau), tau, std)
    assert (mean - data).abs().max() < 0.02
    assert spread.max() < 0.03


def test_posterior_is_bayes_by_sampling() -> None:
    generator = torch.Generator().manual_seed(0)
    n, tau, s = 400_000, 0.4, 0.5
    data = s * torch.randn(n, generator=generator, dtype=torch.float64)
    x = (1 - tau) * torch.randn(n, generator=generator, dtype=torch.float64) + tau * data
    near = (x - 0.3).abs() < 0.02
    mean, std = posterior(
        torch.tensor([0.3], dtype=torch.float64),
        torch.tensor([tau], dtype=torch.float64),
        torch.tensor(s, dtype=torch.float64),
    )
    assert mean.item() == pytest.approx(data[near].mean().item(), abs=0.02)
    assert std.item() == pytest.approx(data[near].std().item(), rel=0.03)


def test_euler_on_a_gaussian_converges_to_the_exact_transport() -> None:
    s = 0.5
    noise = torch.linspace(-2, 2, 41, dtype=torch.float64)

    def denoise(x: torch.Tensor, tau: float) -> torch.Tensor:  # E[z | x_τ] for z ~ N(0, s²), from noise prior N(0, 1)
        mean, _ = posterior(x, torch.tensor(tau, dtype=torch.float64), torch.tensor(s).double())
        return mean

    errors = [(euler_sample(denoise, noise, n) - s * noise).abs().max().item() for n in (4, 16, 64)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_one_step_is_one_estimate_at_noise() -> None:
    asked = []

    def denoise(x: torch.Tensor, tau: float) -> torch.Tensor:
        asked.append(tau)
        return x + 1

    assert torch.equal(euler_sample(denoise, torch.zeros(2), 1), torch.ones(2))
    assert asked == [0.0]


def test_step_times() -> None:
    assert step_times(4) == [0.0, 0.25, 0.5, 0.75, 1.0]
    with pytest.raises(ValueError, match="got 0"):
        step_times(0)


def test_training_times_have_clean_noise_and_between() -> None:
    tau = sample_times((4000,), torch.Generator().manual_seed(0), clean_fraction=0.3).numpy()
    assert np.mean(tau == 1) == pytest.approx(0.3, abs=0.03)
    assert np.mean(tau == 0) == pytest.approx(0.25, abs=0.03)
    assert ((tau >= 0) & (tau <= 1)).all()
