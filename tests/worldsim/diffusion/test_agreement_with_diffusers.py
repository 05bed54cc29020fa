"""Schedules and whole trajectories agree with those of diffusers: same noise, same network, same times."""

import math
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from worldsim.diffusion import samplers
from worldsim.diffusion.paths import KarrasPath, Path, RectifiedFlow, VariancePreserving
from worldsim.diffusion.predictions import Kind, Prediction, convert
from worldsim.diffusion.sampling_times import karras_times, log_snr_times, uniform_times

diffusers = pytest.importorskip("diffusers")

LINEAR, COSINE, KARRAS, FLOW = VariancePreserving.linear(), VariancePreserving.cosine(), KarrasPath(), RectifiedFlow()
BETAS: dict[str, Any] = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
VP_PATHS = {"linear": LINEAR, "cosine": COSINE}
PREDICTIONS = {"epsilon": Kind.NOISE, "sample": Kind.DATA, "v_prediction": Kind.V}
SHAPE = (2, 3, 4, 4)
NUM_STEPS = 20

every_schedule = pytest.mark.parametrize("name", VP_PATHS)
every_prediction = pytest.mark.parametrize("prediction", PREDICTIONS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit_noise() -> Tensor:
    return torch.randn(SHAPE, generator=seeded())


class Network:
    """A smooth function in place of a network, told as `kind`; asked by their scheduler at the times that our sampler
    asked at, which theirs rounds."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path, self.kind = path, kind
        self.asked: list[float] = []

    def __call__(self, x: Tensor, t: float) -> Tensor:
        residual = torch.tanh(0.8 * x + 0.1 * math.sin(t))
        return convert(residual, x, t, self.path, Kind.RESIDUAL, self.kind)

    def denoise(self, x: Tensor, t: float) -> Prediction:
        self.asked.append(t)
        return Prediction(self.kind, self(x, t))

    def replay(self) -> Callable[[Tensor], Tensor]:
        evaluations = count()
        return lambda x: self(x, self.asked[next(evaluations)])


def their_trajectory(scheduler, x: Tensor, ask: Callable[[Tensor], Tensor], **options) -> Tensor:
    """From x through all of the scheduler's steps."""
    scheduler.set_begin_index(0)  # it would look for it by the rounded time, which may occur twice
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(ask(scaled), t, x, **options).prev_sample
    return x


def their_times(scheduler) -> list[float]:
    """Whole steps down to the data."""
    scheduler.set_timesteps(NUM_STEPS)
    return [*dict.fromkeys(scheduler.timesteps.tolist()), -1.0]


def assert_agree(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@every_schedule
def test_schedules(name: str) -> None:
    scheduler = diffusers.DDPMScheduler(**BETAS[name])
    t = torch.arange(1000, dtype=torch.float64)
    assert_agree(VP_PATHS[name].alpha(t) ** 2, scheduler.alphas_cumprod.double())
    assert_agree(VP_PATHS[name].betas, scheduler.betas.double())


@pytest.mark.parametrize("num_steps", [4, 10, 30, 1000])
def test_uniform_steps_are_their_trailing_ones(num_steps: int) -> None:
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(num_steps)
    assert uniform_times(LINEAR, num_steps)[:-1] == scheduler.timesteps.tolist()


@every_schedule
def test_noising_and_v(name: str) -> None:
    data, noise = torch.randn(2, *SHAPE, generator=seeded())
    t, path, scheduler = torch.tensor([3, 700]), VP_PATHS[name], diffusers.DDPMScheduler(**BETAS[name])
    x = path.interpolate(data, noise, t.float())
    assert_agree(x, scheduler.add_noise(data, noise, t))
    assert_agree(convert(data, x, t, path, Kind.DATA, Kind.V), scheduler.get_velocity(data, noise, t))


@every_schedule
@every_prediction
@pytest.mark.parametrize(("theirs", "ours"), [("fixed_small", "least"), ("fixed_large", "most")])
def test_ddpm(name: str, prediction: str, theirs: str, ours) -> None:
    options = {"clip_sample": False, "variance_type": theirs, "prediction_type": prediction}
    scheduler = diffusers.DDPMScheduler(**BETAS[name], **options)
    network, times = Network(VP_PATHS[name], PREDICTIONS[prediction]), their_times(scheduler)
    x = samplers.sample_ddpm(network.path, network.denoise, unit_noise(), times, seeded(1), ours)
    ask, y = network.replay(), unit_noise()
    generator = seeded(1)
    for t in scheduler.timesteps:
        y = scheduler.step(ask(y), t, y, generator=generator).prev_sample
    assert_agree(x, y)


def test_ddpm_with_learned_variance() -> None:
    scheduler = diffusers.DDPMScheduler(**BETAS["linear"], clip_sample=False, variance_type="learned_range")
    network, times = Network(LINEAR, Kind.NOISE), their_times(scheduler)

    def denoise(x: Tensor, t: float) -> Prediction:
        return Prediction(Kind.NOISE, network(x, t), (torch.sin(x) + 1) / 2)

    x = samplers.sample_ddpm(LINEAR, denoise, unit_noise(), times, seeded(1))
    y, generator = unit_noise(), seeded(1)
    for t in scheduler.timesteps:
        y = scheduler.step(torch.cat([network(y, float(t)), torch.sin(y)], 1), t, y, generator=generator).prev_sample
    assert_agree(x, y)


@every_schedule
@every_prediction
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim(name: str, prediction: str, eta: float) -> None:
    scheduler = diffusers.DDIMScheduler(**BETAS[name], clip_sample=False, prediction_type=prediction)
    network, times = Network(VP_PATHS[name], PREDICTIONS[prediction]), their_times(scheduler)
    x = samplers.sample_ddim(network.path, network.denoise, unit_noise(), times, seeded(1), eta)
    ask, y, generator = network.replay(), unit_noise(), seeded(1)
    for t in scheduler.timesteps:
        y = scheduler.step(ask(y), t, y, eta=eta, generator=generator).prev_sample
    assert_agree(x, y)


@every_schedule
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("scheduler", "sample"),
    [("EulerDiscreteScheduler", samplers.sample_euler), ("HeunDiscreteScheduler", samplers.sample_heun)],
)
def test_euler_and_heun(name: str, prediction: str, scheduler: str, sample: Callable[..., Tensor]) -> None:
    theirs = getattr(diffusers, scheduler)(**BETAS[name], timestep_spacing="leading", prediction_type=prediction)
    network, times = Network(VP_PATHS[name], PREDICTIONS[prediction]), their_times(theirs)
    x = sample(network.path, network.denoise, unit_noise(), times)
    start = unit_noise() / network.path.at(times[0]).alpha  # theirs is x_t/α
    assert_agree(x, their_trajectory(theirs, start, network.replay()))


@pytest.mark.parametrize(
    ("scheduler", "sample", "spaced"),
    [
        ("FlowMatchEulerDiscreteScheduler", samplers.sample_euler, lambda sigmas: sigmas),
        ("FlowMatchHeunDiscreteScheduler", samplers.sample_heun, lambda sigmas: [sigmas[0], *sigmas[1::2]]),
    ],
)
def test_flow_matching(scheduler: str, sample: Callable[..., Tensor], spaced: Callable[[list], list]) -> None:
    theirs = getattr(diffusers, scheduler)()
    theirs.set_timesteps(10)
    network = Network(FLOW, Kind.VELOCITY)
    x = sample(FLOW, network.denoise, unit_noise(), [1 - sigma for sigma in spaced(theirs.sigmas.tolist())])
    ask = network.replay()
    assert_agree(x, their_trajectory(theirs, unit_noise(), lambda x: -ask(x)))  # their time runs towards noise


def edm_network(x: Tensor) -> Tensor:
    return torch.tanh(0.8 * x + 0.1) + 0.05 * x


def edm_denoise(x: Tensor, t: float) -> Prediction:
    scale = KARRAS.input_scale(torch.tensor(t, dtype=torch.float64)).item()
    return Prediction(Kind.RESIDUAL, edm_network(scale * x))


def edm_scheduler(name: str) -> tuple[Any, list[float]]:
    """Theirs, and our times."""
    scheduler, times = getattr(diffusers, name)(), karras_times(KARRAS, 18)
    scheduler.set_timesteps(18)
    assert_agree(torch.tensor(times, dtype=torch.float64), scheduler.sigmas.double())
    return scheduler, times


@pytest.mark.parametrize(
    ("scheduler", "sample"),
    [("EDMEulerScheduler", samplers.sample_euler), ("EDMDPMSolverMultistepScheduler", samplers.sample_dpm_solver)],
)
def test_edm(scheduler: str, sample: Callable[..., Tensor]) -> None:
    theirs, times = edm_scheduler(scheduler)
    x = sample(KARRAS, edm_denoise, 80 * unit_noise(), times)
    assert_agree(x, their_trajectory(theirs, 80 * unit_noise(), edm_network))


def test_edm_noise_conditioning() -> None:
    scheduler, times = edm_scheduler("EDMEulerScheduler")
    assert_agree(KARRAS.network_time(torch.tensor(times[:-1])), scheduler.timesteps.float())


def test_edm_churn_in_a_step_to_the_data() -> None:
    scheduler, times = edm_scheduler("EDMEulerScheduler")
    x, t = times[-2] * unit_noise() + 0.3, scheduler.timesteps[-1]
    options = {"s_churn": 0.2 * 18, "s_noise": 1.1, "generator": seeded(2)}
    theirs = scheduler.step(edm_network(scheduler.scale_model_input(x, t)), t, x, **options).prev_sample

    def denoise(noisier: Tensor, t: float) -> Prediction:  # theirs asks before it makes x noisier
        return edm_denoise(x, times[-2])

    options = {"churn": 0.2, "churn_range": (0.0, math.inf), "noise_scale": 1.1}
    assert_agree(samplers.sample_edm(KARRAS, denoise, x, times[-2:], seeded(2), **options), theirs)


@every_schedule
@every_prediction
@pytest.mark.parametrize(
    ("spacing", "times"),
    [({}, uniform_times), ({"use_karras_sigmas": True}, karras_times), ({"use_lu_lambdas": True}, log_snr_times)],
    ids=["uniform", "karras", "log-snr"],
)
def test_dpm_solver(name: str, prediction: str, spacing: dict[str, bool], times: Callable[..., list[float]]) -> None:
    options = {"timestep_spacing": "trailing", "prediction_type": prediction, **spacing}
    theirs = diffusers.DPMSolverMultistepScheduler(**BETAS[name], **options)
    theirs.set_timesteps(NUM_STEPS)
    network = Network(VP_PATHS[name], PREDICTIONS[prediction])
    ours = times(network.path, NUM_STEPS)
    ratios = torch.tensor([network.path.at(t).ratio for t in ours], dtype=torch.float64)
    torch.testing.assert_close(theirs.sigmas.double(), ratios, rtol=5e-4, atol=0)  # theirs are made of float32 products

    theirs.sigmas = ratios
    x = samplers.sample_dpm_solver(network.path, network.denoise, unit_noise().double(), ours)
    assert_agree(x, their_trajectory(theirs, unit_noise().double(), network.replay()))
