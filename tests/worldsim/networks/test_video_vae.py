"""VideoVAE: what it compresses to, causality, pieces against the whole, what it refuses."""

from dataclasses import replace

import pytest
import torch
from tiny_model import woken

from worldsim.networks.generative_configs import VideoVAEConfig
from worldsim.networks.temporal import TemporalStream
from worldsim.networks.video_vae import VideoVAE

TINY = VideoVAEConfig(widths=(8, 16, 24), num_blocks=1)


@pytest.fixture(scope="module")
def vae() -> VideoVAE:
    torch.manual_seed(0)
    made = woken(VideoVAE(TINY))
    made.latent_mean += torch.arange(4.0)
    made.latent_std *= 0.5
    return made


def test_the_default_compresses_192_times() -> None:
    with torch.device("meta"):
        vae, frames = VideoVAE(), torch.empty(1, 3, 16, 256, 256)
        latents = vae.encode(frames)
        assert latents.shape == (1, 4, 4, 32, 32)
        assert frames.numel() == 192 * latents.numel()
        assert vae.decode(latents).shape == frames.shape
        assert sum(p.numel() for p in vae.parameters()) == 7_932_987


def test_latents_are_normalised(vae: VideoVAE) -> None:
    frames = torch.rand(1, 3, 4, 16, 16)
    mean, log_variance = vae.posterior(frames)
    assert mean.shape == log_variance.shape
    torch.testing.assert_close(vae.encode(frames)[0, 3], (mean[0, 3] - 3.0) / 0.5)


@pytest.mark.parametrize("changed_frame", [0, 3, 4, 11])
def test_nothing_later_changes_a_latent(vae: VideoVAE, changed_frame: int) -> None:
    frames = torch.rand(1, 3, 12, 16, 16)
    changed = frames.clone()
    changed[:, :, changed_frame] = torch.rand(1, 3, 16, 16)
    same = [torch.equal(a, b) for a, b in zip(vae.encode(frames)[0, 0], vae.encode(changed)[0, 0], strict=True)]
    group = changed_frame // 4
    assert same[: group + 1] == [True] * group + [False]


@pytest.mark.parametrize("changed_latent", [0, 1, 2])
def test_nothing_later_changes_a_frame(vae: VideoVAE, changed_latent: int) -> None:
    latents = torch.randn(1, 4, 3, 2, 2)
    changed = latents.clone()
    changed[:, :, changed_latent] += 1.0
    difference = (vae.decode(latents) - vae.decode(changed)).abs().amax(dim=(0, 1, 3, 4))
    first = 4 * changed_latent
    assert not difference[:first].any()
    assert difference[first : first + 4].gt(0).all()


@pytest.mark.parametrize("pieces", [(4, 4, 4, 4), (8, 4, 4), (12, 4)])
def test_pieces_are_as_the_whole(vae: VideoVAE, pieces: tuple[int, ...]) -> None:
    frames = torch.rand(2, 3, 16, 16, 24)
    latents = vae.encode(frames)
    stream: TemporalStream = {}
    streamed = torch.cat([vae.encode(piece, stream) for piece in frames.split(pieces, dim=2)], dim=2)
    torch.testing.assert_close(streamed, latents, atol=1e-5, rtol=1e-4)

    stream = {}
    parts = latents.split([piece // 4 for piece in pieces], dim=2)
    streamed = torch.cat([vae.decode(part, stream) for part in parts], dim=2)
    torch.testing.assert_close(streamed, vae.decode(latents), atol=1e-5, rtol=1e-4)


def test_without_its_stream_a_piece_is_a_clip_of_its_own(vae: VideoVAE) -> None:
    frames = torch.rand(1, 3, 8, 16, 16)
    assert not torch.allclose(vae.encode(frames[:, :, 4:])[:, :, 0], vae.encode(frames)[:, :, 1])


def test_before_the_first_frame_stands_the_first_frame(vae: VideoVAE) -> None:
    """A clip that stands still has latents that do too, from the first on."""
    latents = vae.encode(torch.rand(1, 3, 1, 16, 16).expand(-1, -1, 12, -1, -1))
    torch.testing.assert_close(latents[:, :, :1].expand_as(latents), latents, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 5, 16, 16), "multiple of 4 frames, .* got 5 x 16 x 16"),
        ((1, 3, 4, 16, 12), "multiples of 8 rows and columns, got 4 x 16 x 12"),
        ((1, 1, 4, 16, 16), "1 channels, the autoencoder was built for 3"),
    ],
)
def test_wrong_clips_are_named(vae: VideoVAE, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vae.encode(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (8, 12)}, r"multiples of 8, one for each level, got \(8, 12\)"),
        ({"num_halvings": 3}, "0 to 2, got 3"),
        ({"latent_channels": 0}, "latent_channels must be at least 1, got 0"),
        ({"temporal_kernel": 1}, "temporal_kernel must be at least 2, got 1"),
    ],
)
def test_wrong_configs_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_it_learns_one_clip() -> None:
    torch.manual_seed(0)
    vae = VideoVAE(TINY)
    frames = torch.nn.functional.interpolate(torch.rand(1, 3, 2, 4, 4), (4, 16, 16), mode="trilinear") * 2 - 1
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (vae.decode(vae.encode(frames)) - frames).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
