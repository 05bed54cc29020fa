"""VAE3D: what its decoder keeps of earlier pictures, what latents and surfaces change, style, range conversion."""

import pytest
import torch

from worldsim.configs import VAEConfig
from worldsim.gbuffer.classes import NO_PART, SemanticClass
from worldsim.gbuffer.surface_map import NUM_SURFACE_CHANNELS, SurfaceChannel
from worldsim.networks.vae3d import (
    NUM_CLASSES,
    VAE3D,
    References,
    Stem,
    Surfaces,
    frames_to_float,
    frames_to_uint8,
    known_colors,
    picture_statistics,
)

SHAPE = (32, 48)


@pytest.fixture(scope="module")
def vae() -> VAE3D:
    torch.manual_seed(0)
    vae = VAE3D(VAEConfig(widths=(16, 16, 32), num_blocks=1, fine_width=8)).eval()
    with torch.no_grad():  # zero-initialised branches would hide an error
        for p in vae.parameters():
            p.add_(0.05 * torch.randn(p.shape))
        vae.latent_mean.normal_()
        vae.latent_std.uniform_(0.5, 2)
    return vae.requires_grad_(False)


def surfaces(num: int = 1, seed: int = 0) -> Surfaces:
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randint(0, 39, (num, *SHAPE), generator=generator).to(torch.uint8)
    parts[:, :8] = NO_PART
    return Surfaces(torch.rand(num, NUM_SURFACE_CHANNELS, *SHAPE, generator=generator), parts)


def picture(num: int = 1, seed: int = 1) -> torch.Tensor:
    return torch.rand(num, 3, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def latents(num: int = 1, frames: int = 3) -> torch.Tensor:
    return torch.randn(num, frames, 8, 4, 6, generator=torch.Generator().manual_seed(2))


STYLE = torch.randn(1, 32, generator=torch.Generator().manual_seed(3))


def test_an_untrained_decoder_keeps_most_of_the_last_picture() -> None:
    vae, seen = VAE3D(VAEConfig(widths=(16, 16, 32), num_blocks=1)).eval(), torch.ones(1, 1, *SHAPE)
    references = References(picture(), seen, picture(seed=5), 0 * seen)
    with torch.no_grad():
        made = vae.decode(None, surfaces(), references, STYLE)
    torch.testing.assert_close(made, torch.sigmoid(torch.tensor(1.5)) * references.last)


def test_what_was_not_visible_has_no_say(vae: VAE3D) -> None:
    seen = torch.zeros(1, 1, *SHAPE)
    seen[..., 16:] = 1
    one = References(picture(), seen, picture(seed=5), seen)
    hidden = (seen == 0).expand(-1, 3, -1, -1)
    other = References(one.last.masked_fill(hidden, 0.7), seen, one.recalled.masked_fill(hidden, -0.3), seen)
    a, b = (vae.decode(latents(), surfaces(), references, STYLE) for references in (one, other))
    assert torch.equal(a, b)
    nothing = vae.decode(latents(), surfaces(), References.none(picture()), STYLE)
    assert not torch.allclose(a, nothing)


def test_slots_do_not_mix(vae: VAE3D) -> None:
    references = References.none(picture(2))
    both = vae.decode(latents(2), surfaces(2), references, STYLE.expand(2, -1))
    one = vae.decode(
        latents(2)[1:], Surfaces(*(s[1:] for s in surfaces(2))), References(*(r[1:] for r in references)), STYLE
    )
    torch.testing.assert_close(both[1:], one, atol=1e-5, rtol=1e-5)


def test_latents_before_count_as_far_back_as_the_kernel_reaches(vae: VAE3D) -> None:
    references = References.none(picture())
    whole = vae.decode(latents(frames=4), surfaces(), references, STYLE)
    changed = latents(frames=4)
    changed[:, 0] = 0
    assert torch.equal(vae.decode(changed, surfaces(), references, STYLE), whole)
    changed[:, 1] = 0
    assert not torch.allclose(vae.decode(changed, surfaces(), references, STYLE), whole)


def test_no_latents_are_those_that_tell_nothing(vae: VAE3D) -> None:
    references = References.none(picture())
    silent = vae.normalise(torch.zeros(1, 8, 4, 6))[:, None]
    without = vae.decode(None, surfaces(), references, STYLE)
    torch.testing.assert_close(without, vae.decode(silent, surfaces(), references, STYLE), atol=1e-5, rtol=1e-5)


def test_latents_are_eight_times_smaller_and_know_the_surfaces_and_the_past(vae: VAE3D) -> None:
    nothing, seen = References.none(picture()), torch.ones(1, 1, *SHAPE)
    found = vae.encode(picture(), surfaces(), nothing)
    assert found.shape == (1, 8, 4, 6)
    assert not torch.allclose(found, vae.encode(picture(), surfaces(seed=9), nothing))
    assert not torch.allclose(found, vae.encode(picture(seed=9), surfaces(), nothing))
    for past in (nothing._replace(last_visible=seen), nothing._replace(recalled=picture(), recalled_visible=seen)):
        assert not torch.allclose(found, vae.encode(picture(), surfaces(), past))


def test_statistics_are_those_of_each_class_near_and_far() -> None:
    frame = torch.full((1, 3, *SHAPE), -0.5)
    frame[:, 0, :, 24:] = 0.5
    known = torch.zeros(1, NUM_SURFACE_CHANNELS, *SHAPE)
    known[:, SurfaceChannel.COVERAGE + SemanticClass.ROAD, :, 24:] = 1
    known[:, SurfaceChannel.COVERAGE + SemanticClass.SKY, :, :24] = 1
    known[:, SurfaceChannel.INVERSE_DEPTH, 16:] = 1
    found = picture_statistics(frame, Surfaces(known, torch.zeros(1, *SHAPE))).unflatten(1, (4, NUM_CLASSES, 10))
    near, far, _, _ = found[0, :, SemanticClass.ROAD]
    assert near[0] == far[0] == 0.5
    torch.testing.assert_close(near[1:4], torch.tensor([0.5, -0.5, -0.5]))
    torch.testing.assert_close(near[4:7], torch.zeros(3))
    assert not found[0, :, SemanticClass.CAR].any()


def test_statistics_are_those_of_each_class_in_the_sun_and_out_of_it() -> None:
    frame = torch.full((1, 3, *SHAPE), -0.5)
    frame[..., :12] = 0.5
    known = torch.zeros(1, NUM_SURFACE_CHANNELS, *SHAPE)
    known[:, SurfaceChannel.COVERAGE + SemanticClass.ROAD] = 1
    known[:, SurfaceChannel.SUNLIGHT] = 0.04  # hardly any
    known[:, SurfaceChannel.SUNLIGHT, :, :12] = 0.06
    surfaces = Surfaces(known, torch.zeros(1, *SHAPE))
    found = picture_statistics(frame, surfaces).unflatten(1, (4, NUM_CLASSES, 10))
    _, _, lit, unlit = found[0, :, SemanticClass.ROAD]
    torch.testing.assert_close(torch.stack([lit[0], unlit[0]]), torch.tensor([0.25, 0.75]).sqrt())
    torch.testing.assert_close(lit[1:7], torch.tensor([0.5, 0.5, 0.5, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(unlit[1:7], torch.tensor([-0.5, -0.5, -0.5, 0.0, 0.0, 0.0]))


def test_known_colours_are_painted_times_the_light_that_falls_on_them() -> None:
    vae, told = VAE3D(VAEConfig(widths=(16, 16, 32), num_blocks=1)).eval(), surfaces()
    known = 0.5 * (told.channels[:, SurfaceChannel.COLOR : SurfaceChannel.COLOR + 3] + 1)
    known = known.masked_fill((told.parts == NO_PART)[:, None], 0.0)
    assert known[..., 8:, :].min() >= 0.5
    torch.testing.assert_close(known_colors(told), known)

    def made(paint: float, light: list[float]) -> torch.Tensor:
        vae.fine_out.bias.data = torch.tensor([paint] * 3 + light + [0.0] * 6)
        with torch.no_grad():
            return vae.decode(None, told, References.none(picture()), STYLE)

    torch.testing.assert_close(made(0.0, [0.5, 1.0, 0.0]), known * torch.tensor([0.5, 1.0, 0.0])[:, None, None])
    # without light there is the paint alone, and the ground and the sky have no other
    paint = torch.full_like(known, 0.3).tanh()
    torch.testing.assert_close(made(0.3, [0.0] * 3), paint)
    torch.testing.assert_close(made(0.3, [1.0] * 3)[..., :8, :], paint[..., :8, :])


def test_style_is_read_from_any_number_of_frames(vae: VAE3D) -> None:
    statistics = picture_statistics(picture(4), surfaces(4))[None]
    assert vae.read_style(statistics).shape == (1, 32)
    torch.testing.assert_close(vae.read_style(statistics), vae.read_style(statistics.flip(1)))


def test_uint8_round_trip_is_exact() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(1, 1, 1, 3)
    assert torch.equal(frames_to_uint8(frames_to_float(frames)), frames)
    with pytest.raises(ValueError, match=r"float32"):
        frames_to_float(torch.zeros(1, 4, 4, 3))


@pytest.mark.parametrize("stride", [1, 4])
def test_a_stem_is_one_convolution_of_all_channels(stride: int) -> None:
    stem = Stem(5, 12, stride)
    channels, others = surfaces().channels, torch.randn(1, 5, *SHAPE)
    joined = torch.nn.functional.conv2d(
        torch.cat([channels, others], dim=1),
        torch.cat([layer.weight.reshape(12, -1, stride, stride) for layer in (stem.surfaces, stem.others)], dim=1),
        stem.surfaces.bias + stem.others.bias,
        stride=stride,
    )
    torch.testing.assert_close(stem(channels, others), joined, atol=1e-4, rtol=1e-4)
