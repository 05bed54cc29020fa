"""Guidance: both conventions, on some of the channels, whatever is predicted; label dropout."""

import pytest
import torch
from torch import Tensor

from worldsim.diffusion.guidance import Convention, drop_labels, guide, guided
from worldsim.diffusion.paths import VariancePreserving
from worldsim.diffusion.predictions import Kind, Prediction

C, U = torch.randn(2, 3, 4, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_conventions_are_their_formulas() -> None:
    torch.testing.assert_close(guide(C, U, 1.5), U + 1.5 * (C - U))
    torch.testing.assert_close(guide(C, U, 1.5, Convention.STRENGTH), 2.5 * C - 1.5 * U)


@pytest.mark.parametrize("s", [-0.5, 0.0, 0.5, 3.0])
def test_a_strength_is_a_scale_of_one_more(s: float) -> None:
    torch.testing.assert_close(guide(C, U, s, Convention.STRENGTH), guide(C, U, 1 + s, Convention.SCALE))


def test_no_guidance_is_the_conditional_prediction() -> None:
    torch.testing.assert_close(guide(C, U, 1.0), C)
    torch.testing.assert_close(guide(C, U, 0.0, Convention.STRENGTH), C)


def test_only_the_first_channels_are_guided_if_so_asked() -> None:
    some = guide(C, U, 4.0, num_channels=3)
    torch.testing.assert_close(some[:, :3], guide(C, U, 4.0)[:, :3])
    assert torch.equal(some[:, 3:], C[:, 3:])


def test_guiding_noise_is_guiding_the_data() -> None:
    path, t = VariancePreserving.cosine(), 300.0
    x = torch.ones_like(C)

    def data_of(noise: Tensor) -> Tensor:
        return Prediction(Kind.NOISE, noise).to(Kind.DATA, x, t, path)

    torch.testing.assert_close(data_of(guide(C, U, 3.0)), guide(data_of(C), data_of(U), 3.0))


def test_a_guided_denoiser_asks_once_for_both() -> None:
    asked = []

    def denoise(x: Tensor, t: float, labels: Tensor) -> Prediction:
        asked.append((len(x), t, labels.tolist()))
        value = x * labels[:, None]
        return Prediction(Kind.NOISE, value, value / 10)

    labels, null = torch.tensor([2.0, 3.0]), torch.tensor([1.0, 1.0])
    prediction = guided(denoise, labels, null, 2.0)(torch.ones(2, 1), 7.0)
    assert asked == [(4, 7.0, [2.0, 3.0, 1.0, 1.0])]
    assert prediction.value.flatten().tolist() == [3.0, 5.0]  # 1 + 2 (2 - 1), 1 + 2 (3 - 1)
    assert prediction.variance is not None
    torch.testing.assert_close(prediction.variance, torch.tensor([[0.2], [0.3]]))


def test_labels_are_dropped_with_their_probability() -> None:
    labels = torch.arange(10_000) % 10
    dropped = drop_labels(labels, 0.1, null_label=10, generator=torch.Generator().manual_seed(0))
    is_null = dropped == 10
    assert is_null.float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(dropped[~is_null], labels[~is_null])
    assert not (drop_labels(labels, 0.0, 10, torch.Generator()) == 10).any()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have one shape, got \(3, 4, 5, 5\) and \(1, 4, 5, 5\)"):
        guide(C, U[:1], 2.0)
    with pytest.raises(ValueError, match="num_channels must be between 1 and 4, got 5"):
        guide(C, U, 2.0, num_channels=5)
    with pytest.raises(ValueError, match=r"probability must be between 0 and 1, got 1\.2"):
        drop_labels(torch.zeros(1), 1.2, 0, torch.Generator())
