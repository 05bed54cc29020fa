"""Samplers on data from a Gaussian, whose denoiser and flow are known: what they draw, and how fast they converge."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import pytest
import torch
from gaussian_data import GaussianData
from torch import Tensor

from worldsim.diffusion import samplers
from worldsim.diffusion.paths import KarrasPath, Path, RectifiedFlow, VariancePreserving
from worldsim.diffusion.predictions import Kind, Prediction
from worldsim.diffusion.sampling_times import karras_times, log_snr_times, uniform_times

DATA = GaussianData()
LINEAR, COSINE, KARRAS, FLOW = VariancePreserving.linear(), VariancePreserving.cosine(), KarrasPath(), RectifiedFlow()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CASES = {
    "ddpm, noise, linear": (samplers.sample_ddpm, LINEAR, Kind.NOISE, uniform_times(LINEAR, 1000)),
    "ddpm, v, cosine": (samplers.sample_ddpm, COSINE, Kind.V, uniform_times(COSINE, 500)),
    "ddpm, velocity, flow": (samplers.sample_ddpm, FLOW, Kind.VELOCITY, uniform_times(FLOW, 500)),
    "ddim": (samplers.sample_ddim, LINEAR, Kind.NOISE, uniform_times(LINEAR, 250)),
    "ddim with eta": (partial(samplers.sample_ddim, eta=0.7), LINEAR, Kind.SCORE, uniform_times(LINEAR, 500)),
    "euler, flow": (samplers.sample_euler, FLOW, Kind.VELOCITY, uniform_times(FLOW, 200)),
    "heun, flow": (samplers.sample_heun, FLOW, Kind.VELOCITY, uniform_times(FLOW, 40)),
    "heun, linear": (samplers.sample_heun, LINEAR, Kind.V, karras_times(LINEAR, 30)),
    "heun, edm": (samplers.sample_heun, KARRAS, Kind.RESIDUAL, karras_times(KARRAS, 30)),
    "edm": (partial(samplers.sample_edm, noise_scale=1.0), KARRAS, Kind.RESIDUAL, karras_times(KARRAS, 100)),
    "edm, flow": (
        partial(samplers.sample_edm, noise_scale=1.0, churn_range=(0.0, math.inf)),
        FLOW,
        Kind.DATA,
        uniform_times(FLOW, 100),
    ),
    "dpm-solver, edm": (samplers.sample_dpm_solver, KARRAS, Kind.RESIDUAL, karras_times(KARRAS, 40)),
    "dpm-solver, linear": (samplers.sample_dpm_solver, LINEAR, Kind.NOISE, log_snr_times(LINEAR, 40)),
    "dpm-solver, flow": (samplers.sample_dpm_solver, FLOW, Kind.VELOCITY, uniform_times(FLOW, 40)),
}
DRAWING = (samplers.sample_ddpm, samplers.sample_edm)


def drawing(sample: Callable[..., Tensor], generator: torch.Generator) -> Callable[..., Tensor]:
    """`sample` with a generator if it draws."""
    options = sample.keywords if isinstance(sample, partial) else {}
    function = sample.func if isinstance(sample, partial) else sample
    draws = function in DRAWING or options.get("eta", 0.0) > 0
    return partial(sample, generator=generator) if draws else sample


@pytest.mark.parametrize(("sample", "path", "kind", "times"), CASES.values(), ids=CASES.keys())
def test_samples_have_the_mean_and_covariance_of_the_data(
    sample: Callable[..., Tensor], path: Path, kind: Kind, times: list[float]
) -> None:
    noise = samplers.initial_noise(path, (20_000, 2), seeded()).double()
    x = drawing(sample, seeded(1))(path, DATA.denoise(path, kind), noise, times)
    torch.testing.assert_close(x.mean(0), DATA.mean, rtol=0, atol=0.02)
    torch.testing.assert_close(x.T.cov(), DATA.covariance, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("sample", "path", "kind", "order"),
    [
        (samplers.sample_euler, FLOW, Kind.VELOCITY, 1),
        (samplers.sample_euler, KARRAS, Kind.RESIDUAL, 1),
        (samplers.sample_ddim, KARRAS, Kind.DATA, 1),
        (samplers.sample_heun, FLOW, Kind.VELOCITY, 2),
        (samplers.sample_heun, KARRAS, Kind.RESIDUAL, 2),
        (samplers.sample_dpm_solver, KARRAS, Kind.RESIDUAL, 2),
        (samplers.sample_dpm_solver, FLOW, Kind.VELOCITY, 2),
    ],
)
def test_order_of_convergence(sample: Callable[..., Tensor], path: Path, kind: Kind, order: int) -> None:
    start, end = (5.0, 0.05) if path is KARRAS else (0.05, 0.95)
    x = torch.randn(50, 2, dtype=torch.float64, generator=seeded()) * path.at(start).sigma
    exact = DATA.transport(path, x, start, end)

    def error(num_steps: int) -> float:
        times = log_snr_times(path, num_steps + 1, start, end)[:-1]
        return (sample(path, DATA.denoise(path, kind), x, times) - exact).abs().max().item()

    errors = [error(n) for n in (64, 128, 256)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("path", [LINEAR, KARRAS, FLOW], ids=["linear", "karras", "flow"])
def test_euler_is_ddim_without_noise(path: Path) -> None:
    times, x = uniform_times(path, 10), samplers.initial_noise(path, (20, 2), seeded()).double()
    denoise = DATA.denoise(path, Kind.DATA)
    euler, ddim = (sample(path, denoise, x, times) for sample in (samplers.sample_euler, samplers.sample_ddim))
    torch.testing.assert_close(euler, ddim, rtol=1e-9, atol=1e-9)


def test_ddim_with_eta_1_is_ddpm() -> None:
    times, x = uniform_times(LINEAR, 50), samplers.initial_noise(LINEAR, (20, 2), seeded()).double()
    denoise = DATA.denoise(LINEAR, Kind.DATA)
    ddim = samplers.sample_ddim(LINEAR, denoise, x, times, seeded(1), eta=1.0)
    torch.testing.assert_close(ddim, samplers.sample_ddpm(LINEAR, denoise, x, times, seeded(1)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("fraction", "variance"), [(0.0, "least"), (1.0, "most")])
def test_a_predicted_variance_lies_between_the_least_and_the_most(fraction: float, variance: str) -> None:
    times, x = uniform_times(LINEAR, 20), samplers.initial_noise(LINEAR, (20, 2), seeded()).double()
    fixed = DATA.denoise(LINEAR, Kind.DATA)

    def denoise(x: Tensor, t: float) -> Prediction:
        return Prediction(Kind.DATA, fixed(x, t).value, torch.full_like(x, fraction))

    learned = samplers.sample_ddpm(LINEAR, denoise, x, times, seeded(1))
    expected = samplers.sample_ddpm(LINEAR, fixed, x, times, seeded(1), variance)  # pyright: ignore
    torch.testing.assert_close(learned, expected, rtol=1e-9, atol=1e-9)


def test_edm_is_algorithm_2() -> None:
    sigmas, denoise = karras_times(KARRAS, 12), DATA.denoise(KARRAS, Kind.DATA)
    x = start = samplers.initial_noise(KARRAS, (20, 2), seeded()).double()
    generator = seeded(1)
    for sigma, following in pairwise(sigmas):
        gamma = min(3.0 / 12, math.sqrt(2) - 1) if 0.05 <= sigma <= 50 else 0.0
        raised = sigma * (1 + gamma)
        if gamma:
            drawn = torch.randn(x.shape, generator=generator).double()
            x = x + math.sqrt(raised**2 - sigma**2) * 1.003 * drawn
        slope = (x - denoise(x, raised).value) / raised
        then = x + (following - raised) * slope
        if following:
            slope = (slope + (then - denoise(then, following).value) / following) / 2
        x = x + (following - raised) * slope
    ours = samplers.sample_edm(KARRAS, denoise, start, sigmas, seeded(1), churn=3.0)
    torch.testing.assert_close(ours, x, rtol=1e-9, atol=1e-9)


def test_one_step_is_one_estimate() -> None:
    asked: list[float] = []

    def denoise(x: Tensor, t: float) -> Prediction:
        asked.append(t)
        return Prediction(Kind.DATA, x + 1)

    one = torch.ones(2)
    for sample in (samplers.sample_euler, samplers.sample_heun, samplers.sample_dpm_solver, samplers.sample_ddim):
        assert torch.equal(sample(FLOW, denoise, torch.zeros(2), uniform_times(FLOW, 1)), one)
    assert asked == [0.0] * 4


@pytest.mark.parametrize(("sample", "evaluations"), [(samplers.sample_euler, 5), (samplers.sample_heun, 9)])
def test_progress_and_the_number_of_evaluations(sample: Callable[..., Tensor], evaluations: int) -> None:
    asked: list[float] = []
    done: list[tuple[int, int]] = []

    def denoise(x: Tensor, t: float) -> Prediction:
        asked.append(t)
        return Prediction(Kind.DATA, x)

    sample(FLOW, denoise, torch.zeros(2), uniform_times(FLOW, 5), progress=lambda *step: done.append(step))
    assert done == [(k, 5) for k in range(1, 6)]
    assert len(asked) == evaluations


def test_temperature_scales_the_noise_and_the_seed_fixes_it() -> None:
    warm, cold = (samplers.initial_noise(KARRAS, (100,), seeded(3), temperature=v) for v in (1.0, 0.8))
    assert warm.std().item() == pytest.approx(80, rel=0.2)
    torch.testing.assert_close(cold, 0.8 * warm)


def test_renoised_data_is_sampled_back_to_the_data() -> None:
    data = (
        DATA.mean
        + torch.randn(20_000, 2, dtype=torch.float64, generator=seeded(5)) @ (DATA.axes * DATA.variances.sqrt()).T
    )
    x = samplers.renoise(COSINE, data, 400.0, seeded(6))
    again = samplers.sample_heun(COSINE, DATA.denoise(COSINE, Kind.V), x, uniform_times(COSINE, 100, start=400.0))
    torch.testing.assert_close(again.T.cov(), DATA.covariance, rtol=0, atol=0.02)
    assert torch.corrcoef(torch.stack([again[:, 0], data[:, 0]]))[0, 1] > 0.5


@pytest.mark.parametrize(
    ("times", "seen"),
    [([0.0], "1 times"), ([0.0, 0.5, 0.5], "0.5 after 0.5"), ([1.0, 0.0], "0 after 1"), ([0.0, 1.5], "got 1.5")],
)
def test_times_must_run_from_noise_to_data(times: Sequence[float], seen: str) -> None:
    with pytest.raises(ValueError, match=seen):
        samplers.sample_euler(FLOW, DATA.denoise(FLOW, Kind.DATA), torch.zeros(1, 2), times)


def test_wrong_options_are_refused() -> None:
    arguments = FLOW, DATA.denoise(FLOW, Kind.DATA), torch.zeros(1, 2, dtype=torch.float64), uniform_times(FLOW, 2)
    with pytest.raises(ValueError, match=r"eta must be between 0 and 1, got 1\.5"):
        samplers.sample_ddim(*arguments, eta=1.5)
    with pytest.raises(ValueError, match=r"eta = 0\.5 draws noise: give a generator"):
        samplers.sample_ddim(*arguments, eta=0.5)
    with pytest.raises(ValueError, match=r"variance must be .* got 'small'"):
        samplers.sample_ddpm(*arguments, seeded(), "small")  # pyright: ignore
    with pytest.raises(ValueError, match="churn must not be negative, got -1"):
        samplers.sample_edm(*arguments, seeded(), churn=-1.0)
    with pytest.raises(ValueError, match=r"temperature must not be negative, got -0\.1"):
        samplers.initial_noise(FLOW, (2,), seeded(), temperature=-0.1)
