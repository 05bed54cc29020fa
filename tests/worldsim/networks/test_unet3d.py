"""UNet3D: its size, clips of any size, what influences what, what it refuses."""

from dataclasses import replace

import pytest
import torch
from tiny_model import woken

from worldsim.networks.generative_configs import UNet3DConfig
from worldsim.networks.temporal import TemporalConv
from worldsim.networks.unet3d import UNet3D

TINY = UNet3DConfig(widths=(16, 32), num_blocks=1, attention_levels=(1,), head_width=16, num_classes=3)
TIMES = torch.tensor([3, 700])


def test_the_default_has_fifty_million_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in UNet3D(UNet3DConfig()).parameters()) == 51_099_075


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 9), (5, 1, 1), (2, 16, 10)])
@pytest.mark.parametrize("attention", ["factorised", "joint"])
def test_clips_of_any_size(size: tuple[int, int, int], attention: str) -> None:
    model = UNet3D(replace(TINY, attention=attention, learn_sigma=True))
    x = torch.randn(2, 3, *size)
    assert not model(x, TIMES).any()
    out = woken(model)(x, TIMES, torch.tensor([0, 2]))
    assert out.shape == (2, 6, *size)
    assert out.isfinite().all()
    assert out.any()


def test_padding_continues_the_border() -> None:
    model = woken(UNet3D(TINY))
    x = torch.randn(2, 3, 2, 7, 8)
    padded = torch.cat([x, x[..., -1:, :]], dim=-2)
    torch.testing.assert_close(model(x, TIMES), model(padded, TIMES)[..., :7, :])


@pytest.mark.parametrize("attention", ["factorised", "joint"])
def test_every_frame_influences_every_other_by_attention(attention: str) -> None:
    """Convolutions over time reach few frames; attention reaches all."""
    model = woken(UNet3D(replace(TINY, attention=attention)))
    x = torch.randn(1, 3, 16, 4, 4)
    changed = x.clone()
    changed[:, :, 0] += 1.0
    difference = (model(x, TIMES[:1]) - model(changed, TIMES[:1])).abs().amax(dim=(0, 1, 3, 4))
    assert difference.gt(0).all()


def test_clips_of_a_batch_are_independent() -> None:
    model = woken(UNet3D(TINY))
    x, label = torch.randn(2, 3, 3, 8, 8), torch.tensor([0, 3])
    alone = torch.cat([model(x[k : k + 1], TIMES[k : k + 1], label[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(model(x, TIMES, label), alone, atol=1e-5, rtol=1e-4)


def test_a_convolution_over_time_reaches_both_neighbours() -> None:
    conv = woken(TemporalConv(8))
    x = torch.randn(5, 8, 2, 2)
    changed = x.clone()
    changed[2] += torch.randn(8, 2, 2)
    difference = (conv(x, 5) - conv(changed, 5)).abs().amax(dim=(1, 2, 3))
    assert difference.gt(0).tolist() == [False, True, True, True, False]


def test_other_channels_are_named() -> None:
    with pytest.raises(ValueError, match="4 channels, the network was built for 3"):
        UNet3D(TINY)(torch.zeros(2, 4, 2, 8, 8), TIMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (16, 20)}, r"multiples of 8, one for each level, got \(16, 20\)"),
        ({"attention_levels": (2,)}, r"among 0 to 1, got \(2,\)"),
        ({"head_width": 24}, r"divides \[32\], got 24"),
        ({"attention": "all"}, "got 'all'"),
        ({"num_blocks": 0}, "got 3, 0 and 3"),
    ],
)
def test_wrong_configs_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)
