"""The driving model's posterior against closed forms, in float64, and its training times."""

import numpy as np
import pytest
import torch

from worldsim.diffusion.predictions import Kind, Prediction
from worldsim.diffusion.samplers import sample_euler
from worldsim.diffusion.sampling_times import uniform_times
from worldsim.dynamics.flow import FLOW, TAU_MAX, posterior, sample_times


def test_posterior_at_noise_is_the_prior_and_near_data_is_the_data() -> None:
    torch.manual_seed(0)
    data = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    noise = torch.randn_like(data)
    std = torch.tensor(0.3, dtype=torch.float64)
    mean, spread = posterior(noise, torch.zeros(3, dtype=torch.float64), std)
    assert not mean.any()
    torch.testing.assert_close(spread, torch.full_like(spread, 0.3))
    tau = torch.full((3,), TAU_MAX, dtype=torch.float64)
    mean, spread = posterior(FLOW.interpolate(data, torch.zeros_like(data), tau), tau, std)
    assert (mean - data).abs().max() < 0.02
    assert spread.max() < 0.03


def test_posterior_of_a_clean_frame_is_finite() -> None:
    mean, std = posterior(torch.ones(1, 2), torch.ones(1), torch.tensor(0.3))
    assert mean.isfinite().all()
    assert (std > 0).all()


def test_euler_by_the_posterior_converges_to_the_exact_transport() -> None:
    s = 0.5
    noise = torch.linspace(-2, 2, 41, dtype=torch.float64)

    def denoise(x: torch.Tensor, tau: float) -> Prediction:  # E[z | x_τ] for z ~ N(0, s²), from noise N(0, 1)
        mean, _ = posterior(x, torch.tensor(tau, dtype=torch.float64), torch.tensor(s).double())
        return Prediction(Kind.DATA, mean)

    errors = [
        (sample_euler(FLOW, denoise, noise, uniform_times(FLOW, n)) - s * noise).abs().max().item() for n in (4, 16, 64)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_training_times_have_clean_noise_and_between() -> None:
    tau = sample_times((4000,), torch.Generator().manual_seed(0), clean_fraction=0.3).numpy()
    assert np.mean(tau == 1) == pytest.approx(0.3, abs=0.03)
    assert np.mean(tau == 0) == pytest.approx(0.25, abs=0.03)
    assert ((tau >= 0) & (tau <= 1)).all()
