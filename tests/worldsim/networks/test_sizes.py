"""Named sizes: the published shapes and their parameter counts, on the meta device; larger frames."""

from dataclasses import replace

import pytest
import torch

from worldsim.configs import DiTConfig, ReaderConfig, VAEConfig, WorldModelConfig
from worldsim.gbuffer.surface_map import NUM_SURFACE_CHANNELS
from worldsim.networks.dit import CausalDiT
from worldsim.networks.sizes import SIZES, dit_size
from worldsim.networks.vae3d import References, Surfaces
from worldsim.world_model import WorldModel

EXPECTED = {
    "tiny": (256, 4, 4, 5_561_736),
    "drivedit": (512, 12, 8, 59_915_528),
    "dit-s": (384, 12, 6, 33_797_960),
    "dit-b": (768, 12, 12, 134_428_808),
    "dit-l": (1024, 24, 16, 465_779_208),
    "dit-xl": (1152, 28, 16, 685_061_000),
    "small": (512, 8, 8, 40_934_152),
    "medium": (768, 12, 12, 134_428_808),
    "large": (1024, 24, 16, 465_779_208),
    "xl": (1536, 28, 24, 1_216_951_048),
}


def num_parameters(config: DiTConfig, latent_size: tuple[int, int] = (16, 16)) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in CausalDiT(config, 8, latent_size, 32).parameters())


def test_every_size_is_expected() -> None:
    assert SIZES.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_shape_and_parameter_count(name: str) -> None:
    size = dit_size(name)
    assert (size.width, size.depth, size.num_heads, num_parameters(size)) == EXPECTED[name]


def test_attention_and_frame_size_do_not_change_the_count() -> None:
    size = dit_size("dit-s")
    assert num_parameters(replace(size, attention="factorised"), (32, 40)) == num_parameters(size)


def test_the_default_is_tiny() -> None:
    assert WorldModelConfig().dit == dit_size("tiny")


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(ValueError, match=r"no size 'huge'; there are tiny, drivedit"):
        dit_size("huge")


@pytest.mark.parametrize("frame_size", [(256, 256), (256, 384), (512, 512)])
def test_larger_frames_pass_through_all_networks(frame_size: tuple[int, int]) -> None:
    config = WorldModelConfig(
        frame_size=frame_size,
        vae=VAEConfig(widths=(16, 16, 16), num_blocks=1),
        dit=DiTConfig(width=48, depth=2, num_heads=2, conv_width=16, num_conv_blocks=1, window=2),
        reader=ReaderConfig(stem_width=8, widths=(16, 16, 16), num_blocks=1),
    )
    torch.manual_seed(0)
    model = WorldModel(config).eval().requires_grad_(False)
    frames = torch.zeros(1, 3, *frame_size)
    surfaces = Surfaces(
        torch.zeros(1, NUM_SURFACE_CHANNELS, *frame_size), torch.zeros(1, *frame_size, dtype=torch.uint8)
    )
    latents = model.vae.encode(frames, surfaces, References.none(frames))
    assert latents.shape == (1, 8, *config.latent_size)
    style = torch.zeros(1, config.vae.style_width)
    assert model.vae.decode(latents[None], surfaces, References.none(frames), style).shape == frames.shape
    present = model.reader(torch.zeros(1, 3, 3, *frame_size)).present
    assert present.shape == (1, frame_size[0] // 4, frame_size[1] // 4)
