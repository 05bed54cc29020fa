"""Predictions: each one from each other on each path, in float64, and what they are by definition."""

from itertools import permutations

import pytest
import torch
from torch import Tensor

from worldsim.diffusion.paths import KarrasPath, Path, RectifiedFlow, VariancePreserving
from worldsim.diffusion.predictions import Kind, Prediction, clip_data, convert, target

PATHS = {
    "linear": VariancePreserving.linear(),
    "cosine": VariancePreserving.cosine(),
    "karras": KarrasPath(),
    "flow": RectifiedFlow(),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


def noised(path: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Data, noise, times and x_t."""
    data, noise = torch.randn(2, 7, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    share = torch.linspace(0.0214, 0.9517, 7, dtype=torch.float64)  # between steps, where σ/α has no corner
    t = path.noise_time + share * (path.data_time - path.noise_time)
    return data, noise, t, path.interpolate(data, noise, t)


@every_path
@pytest.mark.parametrize(("source", "to"), list(permutations(Kind, 2)), ids=lambda kind: kind.value)
def test_what_is_true_of_one_kind_converts_to_what_is_true_of_the_other(path: Path, source: Kind, to: Kind) -> None:
    data, noise, t, x = noised(path)
    value = target(source, path, data, noise, t)
    other = convert(value, x, t, path, source, to)
    torch.testing.assert_close(other, target(to, path, data, noise, t), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(convert(other, x, t, path, to, source), value, rtol=1e-7, atol=1e-7)


@every_path
def test_velocity_is_the_derivative_of_x(path: Path) -> None:
    data, noise, t, _ = noised(path)
    h = 1e-6 * abs(path.data_time - path.noise_time)
    slope = (path.interpolate(data, noise, t + h) - path.interpolate(data, noise, t - h)) / (2 * h)
    torch.testing.assert_close(target(Kind.VELOCITY, path, data, noise, t), slope, rtol=1e-5, atol=1e-7)


def test_score_is_the_gradient_of_the_log_density() -> None:
    path = PATHS["linear"]
    data, noise, t, x = noised(path)
    x = x.requires_grad_()
    alpha, sigma = path.alpha(t)[:, None, None], path.sigma(t)[:, None, None]
    (score,) = torch.autograd.grad(torch.distributions.Normal(alpha * data, sigma).log_prob(x).sum(), x)
    torch.testing.assert_close(target(Kind.SCORE, path, data, noise, t), score)


def test_residual_is_what_karras_preconditioning_leaves() -> None:
    path = KarrasPath(data_std=0.5)
    data, noise, t, x = noised(path)
    sigma, square = t[:, None, None], t[:, None, None] ** 2 + 0.25
    f = target(Kind.RESIDUAL, path, data, noise, t)
    torch.testing.assert_close(0.25 / square * x + sigma * 0.5 / square.sqrt() * f, data)


def test_residual_of_unit_data_is_minus_v_where_variance_is_preserved() -> None:
    path = PATHS["cosine"]
    data, noise, t, _ = noised(path)
    v, residual = (target(kind, path, data, noise, t) for kind in (Kind.V, Kind.RESIDUAL))
    torch.testing.assert_close(residual, -v)


def test_one_time_for_all_is_a_float() -> None:
    path = PATHS["flow"]
    data, noise, _, _ = noised(path)
    x = path.interpolate(data, noise, torch.full((7,), 0.25, dtype=torch.float64))
    torch.testing.assert_close(Prediction(Kind.VELOCITY, data - noise).to(Kind.DATA, x, 0.25, path), data)


@pytest.mark.parametrize("kind", [Kind.NOISE, Kind.SCORE])
def test_noise_alone_tells_nothing_of_the_data(kind: Kind) -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=f"{kind.value} cannot be turned into data at t = 0"):
        convert(x, x, 0.0, RectifiedFlow(), kind, Kind.DATA)


def test_clipping_keeps_the_estimate_within_limits() -> None:
    path = PATHS["linear"]
    x, variance = torch.tensor([[3.0, -0.1]], dtype=torch.float64), torch.tensor([[0.2, 0.7]])
    clipped = clip_data(lambda x, t: Prediction(Kind.NOISE, torch.zeros_like(x), variance), path, 1.0)(x, 100.0)
    expected = (x / path.at(100.0).alpha).clamp(-1, 1)
    assert expected[0, 0] == 1
    torch.testing.assert_close(clipped.to(Kind.DATA, x, 100.0, path), expected)
    assert clipped.variance is variance
    with pytest.raises(ValueError, match="limit must be positive, got 0"):
        clip_data(lambda x, t: Prediction(Kind.DATA, x), path, 0.0)
