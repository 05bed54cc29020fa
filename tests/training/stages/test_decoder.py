"""The decoder's stage: whose gradient goes where, a critic that learns, the encoder left alone, resuming."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car
from tiny_model import CONFIG
from training.batches.decoder_windows import Pictures, TruePictures, pixel_weights
from worldsim.conditioning.actor_map import NUM_PAINTED_CHANNELS, ActorMap

from training.batches.latent_windows import LatentWindows
from training.batches.self_rollouts import SelfRolloutClipsConfig, make_self_rollouts
from training.stages.decoder import (
    DecoderStageConfig,
    Painting,
    PictureCritic,
    painting_losses,
    train_decoder,
)
from training.stages.loop import LoopConfig
from training.stages.vae import picture_loss
from worldsim.networks.vae3d import ACTOR_STRIDE, VAE3D
from worldsim.world_model import WorldModel

STAGE = DecoderStageConfig(
    loop=LoopConfig(num_steps=3, warmup_steps=1, save_every=2),
    batch_size=2,
    critic_width=8,
)


@pytest.fixture
def painting() -> Painting:
    torch.manual_seed(0)
    return Painting(VAE3D(CONFIG.vae), PictureCritic(8))


def batch() -> tuple[torch.Tensor, Pictures]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(2, 3, 3, 8, 8, generator=generator).repeat_interleave(8, -1).repeat_interleave(8, -2) * 2 - 1
    latents = torch.randn(2, 3, 8, 8, 8, generator=generator)
    return latents, Pictures(frames, torch.zeros(2, 3, NUM_PAINTED_CHANNELS, 16, 16))


def gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def test_a_critic_that_cannot_tell_leaves_the_decoder_to_the_other_losses(painting: Painting) -> None:
    latents, pictures = batch()
    config = replace(STAGE, feature_weight=0.0)
    for p in painting.critic.parameters():
        p.data.zero_()
    painting_losses(painting, latents, pictures, config)["loss"].backward()
    found = gradients(painting.vae)
    painting.zero_grad()
    pixels, edges = picture_loss(painting.vae.decode(latents, actors=pictures.actors)[0], pictures.frames)
    (pixels + edges).backward()
    for a, b in zip(found, gradients(painting.vae), strict=True):
        torch.testing.assert_close(a, b)


def test_the_critic_learns_to_tell_and_is_not_moved_by_the_decoders_losses(painting: Painting) -> None:
    latents, pictures = batch()
    optimizer = torch.optim.Adam(painting.critic.parameters(), lr=3e-3)
    for _ in range(40):
        losses = painting_losses(painting, latents, pictures, STAGE)
        optimizer.zero_grad()
        losses["loss"].backward()
        found = gradients(painting.critic)
        painting.zero_grad()
        painting_losses(painting, latents, pictures, STAGE)["critic"].backward()
        for a, b in zip(found, gradients(painting.critic), strict=True):
            torch.testing.assert_close(a, b)
        optimizer.step()
    assert losses["critic_right"] > 0.95
    assert losses["critic"] < 0.5


def test_where_an_actor_is_drawn_pixels_count_more() -> None:
    actor_map = ActorMap(CONFIG.camera, (128, 128), 0.1, ACTOR_STRIDE)
    kinds = torch.tensor([[1, 0]])
    drawn = actor_map.in_colour(
        torch.tensor([[[14.0, 0.0, 0.0, 0.0, 4.5, 1.8], [0.0] * 6]]), kinds, torch.full((1, 2, 3), torch.nan)
    )
    weights = pixel_weights(drawn[None], 3.0)[0, 0, 0]
    assert weights.shape == (128, 128)
    assert weights[63, 63] == pytest.approx(4.0)  # a car straight ahead
    assert (weights[:40] == 1).all()
    assert (weights[:, :40] == 1).all()
    # symmetric, as the car is
    torch.testing.assert_close(weights, weights.flip(1))


def test_the_decoder_learns_to_paint_actors_where_it_is_told(painting: Painting) -> None:
    """The latents tell nothing: only the map says where the cars on the grey ground are, and their colours."""
    actors = torch.zeros(4, 1, 6)
    actors[:, 0, 0] = torch.tensor([8.0, 10, 12, 9])
    actors[:, 0, 1] = torch.tensor([-3.0, 0, 2, 4])
    actors[..., 4:] = torch.tensor([4.5, 1.8])
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])[:, None]
    actor_map = ActorMap(CONFIG.camera, (128, 128), 0.1, ACTOR_STRIDE)
    drawn = actor_map.in_colour(actors, torch.ones(4, 1, dtype=torch.int64), colours)[:, None]
    told = Pictures((pixel_weights(drawn, 1.0) - 1) * (2 * colours[..., None, None] - 1), drawn)
    config = replace(STAGE, feature_weight=0.0, strength=1e-3)
    empty = torch.zeros(4, 1, 8, 16, 16)
    optimizer = torch.optim.Adam(painting.vae.parameters(), lr=6e-3)
    for _ in range(60):
        losses = painting_losses(painting, empty, told, config)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    untold = painting_losses(painting, empty, told._replace(actors=torch.zeros_like(drawn)), config)
    assert losses["psnr_actors"] > 10  # a guess of grey has 6; that it nears 12 depends on a CPU's last bits
    assert untold["psnr"] < losses["psnr"] - 3


def test_the_stage_moves_the_decoder_alone_and_resumes(tmp_path: Path) -> None:
    store = turning_car(20)
    latents = np.random.default_rng(0).standard_normal((20, 8, 16, 16)).astype(np.float16)
    windows = LatentWindows(store, latents, CONFIG, 5, np.array([0]))  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = WorldModel(CONFIG)
    pictures = TruePictures(store, np.full((20, 12, 3), 0.5), model.fine_map)  # type: ignore[arg-type]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    own = make_self_rollouts(model.eval(), windows, SelfRolloutClipsConfig(num=3), tmp_path / "clips.safetensors")
    train_decoder(model.vae, pictures, windows, own, STAGE, tmp_path)
    integrate = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {"vae.decoder_actors_4x.weight", "vae.decoder_actors_2x.weight"} <= integrate
    assert all(name.startswith("vae.decoder") for name in integrate)
    again = WorldModel(CONFIG)
    train_decoder(again.vae, pictures, windows, own, STAGE, tmp_path)
    assert torch.equal(again.vae.decoder_out.weight, model.vae.decoder_out.weight)
    short = LatentWindows(store, latents, CONFIG, 2, np.array([0]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="windows of 2 frames are too short for num_frames 3"):
        train_decoder(model.vae, pictures, short, own, STAGE, tmp_path / "new")


def test_a_strength_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="strength must be positive"):
        replace(STAGE, strength=0.0)
