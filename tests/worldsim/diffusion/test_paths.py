"""Paths: their ends, their levels, their inverse, their rates against differences, the times they draw."""

import math

import pytest
import torch
from torch import Tensor

from worldsim.diffusion.paths import KarrasPath, Path, RectifiedFlow, VariancePreserving, posterior

PATHS = {
    "linear": VariancePreserving.linear(),
    "cosine": VariancePreserving.cosine(),
    "karras": KarrasPath(),
    "flow": RectifiedFlow(),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


def inner_times(path: Path) -> Tensor:
    share = torch.linspace(0.0134, 0.9617, 29, dtype=torch.float64)  # between steps, where σ/α has no corner
    return path.noise_time + share * (path.data_time - path.noise_time)


@every_path
def test_data_end_is_data_and_noise_end_is_nearly_noise(path: Path) -> None:
    assert path.at(path.data_time) == (1.0, 0.0)
    assert path.at(path.noise_time).ratio > 70


@every_path
def test_log_snr_grows_towards_the_data_and_time_at_is_its_inverse(path: Path) -> None:
    t = inner_times(path)
    log_snr = path.log_snr(t)
    assert (log_snr.diff() > 0).all()
    torch.testing.assert_close(path.time_at(log_snr), t, rtol=1e-9, atol=1e-9)


@every_path
def test_rates_are_derivatives(path: Path) -> None:
    t, h = inner_times(path), 1e-6 * abs(path.data_time - path.noise_time)
    for level, rate in zip((path.alpha, path.sigma), path.rates(t), strict=True):
        torch.testing.assert_close(rate, (level(t + h) - level(t - h)) / (2 * h), rtol=1e-5, atol=1e-8)


@every_path
def test_interpolate_mixes_by_alpha_and_sigma(path: Path) -> None:
    data, noise = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t = inner_times(path)[:3]
    x = path.interpolate(data, noise, t)
    for k, level in enumerate(path.at(time) for time in t.tolist()):
        torch.testing.assert_close(x[k], level.alpha * data[k] + level.sigma * noise[k])


@every_path
def test_time_outside_is_refused(path: Path) -> None:
    beyond = path.data_time + 0.5 * math.copysign(1, path.data_time - path.noise_time)
    with pytest.raises(ValueError, match=f"t must lie between .* got {beyond}"):
        path.at(beyond)


@pytest.mark.parametrize("path", [PATHS["linear"], PATHS["cosine"]], ids=["linear", "cosine"])
def test_variance_is_preserved(path: VariancePreserving) -> None:
    t = inner_times(path)
    torch.testing.assert_close(path.alpha(t) ** 2 + path.sigma(t) ** 2, torch.ones_like(t))


def test_alpha_is_the_product_of_what_the_betas_leave() -> None:
    path = VariancePreserving(torch.tensor([0.1, 0.2, 0.5]))
    alpha_squared = path.alpha(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)) ** 2
    torch.testing.assert_close(alpha_squared, torch.tensor([0.9, 0.72, 0.36], dtype=torch.float64), rtol=0, atol=1e-7)


def test_times_outside_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match="between -1 and 9, got 2 to 10"):
        VariancePreserving.linear(10).alpha(torch.tensor([2.0, 10.0]))


def test_posterior_is_bayes() -> None:
    generator = torch.Generator().manual_seed(0)
    n, prior_std, alpha, sigma = 400_000, 0.5, 0.8, 0.6
    data = prior_std * torch.randn(n, generator=generator, dtype=torch.float64)
    x = alpha * data + sigma * torch.randn(n, generator=generator, dtype=torch.float64)
    near = (x - 0.3).abs() < 0.02
    mean, std = posterior(*(torch.tensor(v, dtype=torch.float64) for v in (0.3, alpha, sigma, prior_std)))
    assert mean.item() == pytest.approx(data[near].mean().item(), abs=0.02)
    assert std.item() == pytest.approx(data[near].std().item(), rel=0.03)


def test_karras_inputs_have_unit_variance_and_the_time_is_a_quarter_of_the_logarithm() -> None:
    path, sigma = KarrasPath(data_std=0.5), torch.tensor([0.01, 0.5, 30.0], dtype=torch.float64)
    torch.testing.assert_close(path.input_scale(sigma) ** 2 * (sigma**2 + 0.25), torch.ones_like(sigma))
    torch.testing.assert_close(path.network_time(sigma), sigma.log() / 4)


def test_drawn_times_have_their_distributions() -> None:
    def draw(path: Path) -> Tensor:
        return path.draw_times((50_000,), torch.Generator().manual_seed(0))

    steps = draw(VariancePreserving.linear(10))
    assert torch.bincount(steps.long(), minlength=10).float().div(50_000).sub(0.1).abs().max() < 0.01
    sigma = draw(KarrasPath(log_mean=-1.2, log_std=1.2)).log()
    assert (sigma.mean().item(), sigma.std().item()) == pytest.approx((-1.2, 1.2), abs=0.02)
    assert draw(RectifiedFlow()).std().item() == pytest.approx(12**-0.5, abs=0.005)
    logit = draw(RectifiedFlow(training_times="logit-normal", logit_mean=0.5, logit_std=0.8)).logit()
    assert (logit.mean().item(), logit.std().item()) == pytest.approx((0.5, 0.8), abs=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VariancePreserving(torch.tensor([0.1, 1.0])), "betas must be .* got 1"),
        (lambda: VariancePreserving(torch.zeros(0)), r"betas must be .* got shape \(0,\)"),
        (lambda: VariancePreserving.cosine(1), "num_steps must be at least 2, got 1"),
        (lambda: KarrasPath(sigma_min=1.0, sigma_max=0.5), "sigma_max must be above sigma_min = 1, got 0.5"),
        (lambda: KarrasPath(data_std=0.0), "data_std must be positive, got 0"),
        (lambda: RectifiedFlow(training_times="normal"), "training_times must be .* got 'normal'"),  # pyright: ignore
        (lambda: RectifiedFlow(logit_std=-1.0), "logit_std must be positive, got -1"),
    ],
)
def test_wrong_paths_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
