"""VAE3D: causal in time, streaming equals the whole clip, range conversion."""

import pytest
import torch

from worldsim.configs import VAEConfig
from worldsim.networks.vae3d import VAE3D, frames_to_float, frames_to_uint8


@pytest.fixture(scope="module")
def vae() -> VAE3D:
    torch.manual_seed(0)
    vae = VAE3D(VAEConfig(widths=(16, 16, 32), num_blocks=1)).eval()
    with torch.no_grad():  # zero-initialised branches would hide an error
        for p in vae.parameters():
            p.add_(0.05 * torch.randn(p.shape))
        vae.latent_mean.normal_()
        vae.latent_std.uniform_(0.5, 2)
    return vae.requires_grad_(False)


def test_a_later_frame_never_changes_an_earlier_output(vae: VAE3D) -> None:
    frames = torch.rand(1, 6, 3, 32, 32) * 2 - 1
    changed = frames.clone()
    changed[:, 4:] = 0
    a, _ = vae.encode(frames)
    b, _ = vae.encode(changed)
    assert torch.equal(a[:, :4], b[:, :4])
    assert not torch.allclose(a[:, 4], b[:, 4])
    x, _ = vae.decode(a)
    y, _ = vae.decode(b)
    assert torch.equal(x[:, :4], y[:, :4])


def test_an_earlier_frame_does_change_a_later_output(vae: VAE3D) -> None:
    frames = torch.rand(1, 4, 3, 32, 32) * 2 - 1
    changed = frames.clone()
    changed[:, 2] = 0
    assert not torch.allclose(vae.encode(frames)[0][:, 3], vae.encode(changed)[0][:, 3])


@pytest.mark.parametrize("chunks", [[1] * 7, [3, 1, 3], [2, 5]])
def test_streaming_equals_the_whole_clip(vae: VAE3D, chunks: list[int]) -> None:
    frames = torch.rand(2, 7, 3, 32, 32) * 2 - 1
    whole, _ = vae.encode(frames)
    state, parts = None, []
    for part in frames.split(chunks, dim=1):
        latents, state = vae.encode(part, state)
        parts.append(latents)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)
    decoded, _ = vae.decode(whole)
    state, parts = None, []
    for part in whole.split(chunks, dim=1):
        pictures, state = vae.decode(part, state)
        parts.append(pictures)
    torch.testing.assert_close(torch.cat(parts, dim=1), decoded, atol=1e-5, rtol=1e-5)


def test_eight_times_smaller_and_back(vae: VAE3D) -> None:
    latents, _ = vae.encode(torch.zeros(1, 1, 3, 48, 64))
    assert latents.shape == (1, 1, 8, 6, 8)
    assert vae.decode(latents)[0].shape == (1, 1, 3, 48, 64)


def test_uint8_round_trip_is_exact() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(1, 1, 1, 3)
    assert torch.equal(frames_to_uint8(frames_to_float(frames)), frames)
    with pytest.raises(ValueError, match=r"float32"):
        frames_to_float(torch.zeros(1, 4, 4, 3))
