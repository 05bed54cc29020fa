"""What a network is asked, and its losses: measured in other predictions, with learned variance, and overfitted."""

import math

import pytest
import torch
from gaussian_data import GaussianData
from torch import Tensor, nn

from worldsim.diffusion.parameterization import Parameterization
from worldsim.diffusion.paths import KarrasPath, Path, RectifiedFlow, VariancePreserving
from worldsim.diffusion.predictions import Kind
from worldsim.diffusion.samplers import initial_noise, sample_heun
from worldsim.diffusion.sampling_times import karras_times, uniform_times

LINEAR, KARRAS, FLOW = VariancePreserving.linear(), KarrasPath(), RectifiedFlow()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_network_is_asked_as_the_path_says() -> None:
    seen = []

    def network(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        seen.append((x, t, label))
        return x

    x, label = torch.full((2, 1, 1, 1), 3.0), torch.tensor([4, 5])
    Parameterization(path=KARRAS, predicts=Kind.RESIDUAL).denoise(network, x, 2.0, label)
    scaled, time, told = seen[0]
    torch.testing.assert_close(scaled, 3 / math.sqrt(4.25) * torch.ones_like(x))
    torch.testing.assert_close(time, torch.full((2,), math.log(2) / 4))
    assert told is label


@pytest.mark.parametrize(
    ("path", "predicts", "measured_in", "weight"),
    [
        (LINEAR, Kind.NOISE, None, lambda a, s: 1),
        (LINEAR, Kind.DATA, Kind.NOISE, lambda a, s: (a / s) ** 2),  # the signal-to-noise ratio
        (LINEAR, Kind.DATA, Kind.V, lambda a, s: 1 + (a / s) ** 2),
        (LINEAR, Kind.V, Kind.DATA, lambda a, s: s**2),
        (KARRAS, Kind.DATA, Kind.RESIDUAL, lambda a, s: (s**2 + 0.25) / (s * 0.5) ** 2),  # λ(σ)
        (FLOW, Kind.DATA, Kind.VELOCITY, lambda a, s: 1 / s**2),
    ],
)
def test_an_error_is_measured_in_another_kind_by_its_weight(path: Path, predicts, measured_in, weight) -> None:
    data = torch.randn(5, 1, 2, 2, dtype=torch.float64, generator=seeded())
    share = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    t = path.noise_time + share * (path.data_time - path.noise_time)

    def losses(kind: Kind | None) -> Tensor:
        ask = Parameterization(path=path, predicts=predicts, measured_in=kind)
        return ask.losses(lambda x, t: torch.zeros_like(x), data, generator=seeded(1), t=t).error

    factor = torch.stack([torch.as_tensor(weight(path.at(v).alpha, path.at(v).sigma)) for v in t.tolist()])
    torch.testing.assert_close(losses(measured_in), factor * losses(predicts))
    torch.testing.assert_close(losses(None), losses(predicts))


def test_learned_variance_is_the_second_half_of_the_channels() -> None:
    ask = Parameterization(path=LINEAR, predicts=Kind.NOISE, learned_variance=True)
    raw = nn.Parameter(torch.randn(3, 4, 2, 2, generator=seeded()))
    prediction = ask.ask(lambda x, t: raw, torch.zeros(3, 2, 2, 2), torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(prediction.value, raw[:, :2])
    assert prediction.variance is not None
    torch.testing.assert_close(prediction.variance, (raw[:, 2:] + 1) / 2)

    losses = ask.losses(lambda x, t: raw, torch.zeros(3, 2, 2, 2), generator=seeded())
    assert losses.total.shape == (3,)
    (of_error,) = torch.autograd.grad(losses.error.sum(), raw, retain_graph=True)
    (of_bound,) = torch.autograd.grad(losses.variational.sum(), raw)
    assert of_error[:, :2].any()
    assert not of_error[:, 2:].any()
    assert not of_bound[:, :2].any()
    assert of_bound[:, 2:].any()


class LinearDenoiser(nn.Module):
    """Linear in x, a line for each of 32 bands of the time: what is right for Gaussian data, up to the bands."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.weights = nn.Parameter(torch.zeros(32, 3, 2))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        position = ((t - self.low) / (self.high - self.low) * 31).clamp(0, 31)
        below = position.floor().long().clamp(max=30)
        w = torch.lerp(self.weights[below], self.weights[below + 1], (position - below)[:, None, None])
        return torch.einsum("bi,bij->bj", torch.cat([x, torch.ones_like(x[:, :1])], dim=1), w)


@pytest.mark.parametrize(
    ("ask", "times", "low", "high"),
    [
        (Parameterization(path=FLOW, predicts=Kind.VELOCITY), uniform_times(FLOW, 40), 0, 1),
        (Parameterization(path=KARRAS, predicts=Kind.RESIDUAL), karras_times(KARRAS, 40), -1.6, 1.1),
    ],
    ids=["flow", "karras"],
)
def test_what_is_trained_by_the_loss_samples_the_data(ask: Parameterization, times, low: float, high: float) -> None:
    truth = GaussianData()
    network, generator = LinearDenoiser(low, high), seeded()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 1500)
        unit = torch.randn(512, 2, generator=generator, dtype=torch.float64)
        data = (truth.mean + unit * truth.variances.sqrt() @ truth.axes.T).float()
        optimizer.zero_grad()
        ask.losses(network, data, generator=generator).total.mean().backward()
        optimizer.step()
    with torch.no_grad():
        noise = initial_noise(ask.path, (10_000, 2), generator)
        x = sample_heun(ask.path, ask.denoiser(network), noise, times)
    torch.testing.assert_close(x.mean(0).double(), truth.mean, rtol=0, atol=0.06)
    torch.testing.assert_close(x.T.cov().double(), truth.covariance, rtol=0, atol=0.06)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="learned_variance needs a VariancePreserving path, got RectifiedFlow"):
        Parameterization(path=FLOW, predicts=Kind.VELOCITY, learned_variance=True)
    with pytest.raises(ValueError, match="bin_width must be positive, got 0"):
        Parameterization(path=LINEAR, predicts=Kind.NOISE, bin_width=0.0)
    ask = Parameterization(path=LINEAR, predicts=Kind.NOISE, learned_variance=True)
    with pytest.raises(ValueError, match=r"output must have the shape \[1, 4, 2, 2\], got \[1, 2, 2, 2\]"):
        ask.denoise(lambda x, t: x, torch.zeros(1, 2, 2, 2), 5.0)
    ask = Parameterization(path=FLOW, predicts=Kind.NOISE, measured_in=Kind.DATA)
    with pytest.raises(ValueError, match="an error of noise has no size as data at t = 0"):
        ask.losses(lambda x, t: x, torch.zeros(1, 1, 1, 1), generator=seeded(), t=torch.zeros(1))
