"""The decoder's stage: whose gradient goes where, a critic that learns, the encoder left alone, resuming."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_world_model import CONFIG

from training.loop import LoopConfig
from training.train_decoder import DecoderStageConfig, Painting, PictureCritic, painting_losses, train_decoder
from training.train_vae import picture_loss
from worldsim.vae3d import VAE3D

STAGE = DecoderStageConfig(
    loop=LoopConfig(num_steps=3, warmup_steps=1, save_every=2),
    batch_size=2,
    critic_width=8,
)


@pytest.fixture
def painting() -> Painting:
    torch.manual_seed(0)
    return Painting(VAE3D(CONFIG.vae), PictureCritic(8))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(2, 3, 3, 8, 8, generator=generator).repeat_interleave(8, -1).repeat_interleave(8, -2) * 2 - 1
    return torch.randn(2, 3, 8, 8, 8, generator=generator), frames


def gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def test_a_critic_that_cannot_tell_leaves_the_decoder_to_the_other_losses(painting: Painting) -> None:
    latents, frames = batch()
    config = replace(STAGE, feature_weight=0.0)
    for p in painting.critic.parameters():
        p.data.zero_()
    painting_losses(painting, latents, frames, config)["loss"].backward()
    found = gradients(painting.vae)
    painting.zero_grad()
    pixels, edges = picture_loss(painting.vae.decode(latents)[0], frames)
    (pixels + edges).backward()
    for a, b in zip(found, gradients(painting.vae), strict=True):
        torch.testing.assert_close(a, b)


def test_the_critic_learns_to_tell_and_is_not_moved_by_the_decoders_losses(painting: Painting) -> None:
    latents, frames = batch()
    optimizer = torch.optim.Adam(painting.critic.parameters(), lr=3e-3)
    for _ in range(40):
        losses = painting_losses(painting, latents, frames, STAGE)
        optimizer.zero_grad()
        losses["loss"].backward()
        found = gradients(painting.critic)
        painting.zero_grad()
        painting_losses(painting, latents, frames, STAGE)["critic"].backward()
        for a, b in zip(found, gradients(painting.critic), strict=True):
            torch.testing.assert_close(a, b)
        optimizer.step()
    assert losses["critic_right"] > 0.95
    assert losses["critic"] < 0.5


def test_the_stage_moves_the_decoder_alone_and_resumes(tmp_path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (20, 128, 128, 3), dtype=np.uint8)
    store = SimpleNamespace(frames=frames, starts=np.array([0, 12]), lengths=np.array([12, 8]))
    latents = rng.standard_normal((20, 8, 16, 16)).astype(np.float16)
    torch.manual_seed(0)
    vae = VAE3D(CONFIG.vae)
    before = {name: p.detach().clone() for name, p in vae.named_parameters()}
    train_decoder(vae, store, latents, STAGE, tmp_path)  # type: ignore[arg-type]
    moved = {name for name, p in vae.named_parameters() if not torch.equal(p, before[name])}
    assert moved
    assert all(name.startswith("decoder") for name in moved)
    again = VAE3D(CONFIG.vae)
    train_decoder(again, store, latents, STAGE, tmp_path)  # type: ignore[arg-type]
    assert torch.equal(again.decoder_out.weight, vae.decoder_out.weight)


def test_a_strength_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="strength must be positive"):
        replace(STAGE, strength=0.0)
