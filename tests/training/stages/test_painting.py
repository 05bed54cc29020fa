"""How made pictures are judged: whose gradient goes where, a critic that learns, which pixels and latents count."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from painted_streets import VAE, rollouts_of, share_of, shared_street

from training.stages import vae as vae_stage
from training.stages.decoder import clip_source
from training.stages.loop import LoopConfig
from training.stages.vae import (
    Painting,
    PaintingConfig,
    PictureCritic,
    RawLatents,
    Unrolled,
    VAEStageConfig,
    painting_losses,
    picture_loss,
    pixel_weights,
    posterior_source,
    unroll,
)
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.surface_map import NUM_SURFACE_CHANNELS
from worldsim.networks.vae3d import VAE3D, Surfaces

CONFIG = PaintingConfig(critic_width=8)


@pytest.fixture
def painting() -> Painting:
    torch.manual_seed(0)
    return Painting(VAE3D(VAE), PictureCritic(8))


def unrolled(painting: Painting) -> Unrolled:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    rollouts = rollouts_of(shared_street())
    source = posterior_source(painting.vae, 1.0)
    return unroll(painting.vae, rollouts, rollouts.choose(0.0, rng), source, 2.0, rng, generator)


def gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_the_loss_of_tones_is_of_light_and_not_of_detail() -> None:
    true, weight = torch.zeros(1, 3, 16, 16), torch.full((1, 1, 16, 16), 2.0)
    checked = torch.ones(16, 16)
    checked[::2, ::2] = checked[1::2, 1::2] = -1
    flat = picture_loss(true + 0.3, true, weight)
    torch.testing.assert_close(torch.stack(flat), torch.tensor([0.6, 0.0, 0.3]))
    assert picture_loss(true + 0.3 * checked, true, weight)[2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("judged", [False, True])
def test_a_critic_that_cannot_tell_leaves_the_decoder_to_the_other_losses(painting: Painting, judged: bool) -> None:
    for p in painting.critic.parameters():
        p.data.zero_()
    painting_losses(painting, unrolled(painting), CONFIG, 0.1, judged=judged)["loss"].backward()
    found = gradients(painting.vae)
    painting.zero_grad()
    again = unrolled(painting)
    pixels, edges, tones = picture_loss(again.made, again.true, again.weights)
    (pixels + CONFIG.gradient_weight * edges + CONFIG.tone_weight * tones + 0.1 * again.kl).backward()
    for a, b in zip(found, gradients(painting.vae), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("says", [True, False])
def test_a_critic_that_can_tell_changes_what_the_decoder_learns_by_as_much_as_it_may(
    painting: Painting, monkeypatch: pytest.MonkeyPatch, says: bool
) -> None:
    monkeypatch.setattr(vae_stage, "CRITIC_LEARNS", 0.0 if says else 1.0)
    made = torch.nn.Parameter(unrolled(painting).made.detach())
    one = unrolled(painting)._replace(made=made, kl=torch.zeros(()))

    def pull(**config: float) -> torch.Tensor:
        made.grad = None
        painting_losses(painting, one, replace(CONFIG, **config), 0.0, judged=True)["loss"].backward()
        assert made.grad is not None
        return made.grad

    alone = pull(feature_weight=0.0, critic_weight=0.0)
    for weights in ((0.5, 0.0), (0.0, 0.5)):
        asked = pull(feature_weight=weights[0], critic_weight=weights[1]) - alone
        assert asked.norm().item() == pytest.approx(says * 0.5 * alone.norm().item(), rel=1e-3, abs=1e-9)


def test_the_critic_learns_to_tell_and_is_not_moved_by_the_decoders_losses(painting: Painting) -> None:
    one = unrolled(painting)
    one = one._replace(made=one.made.detach().flip(0), kl=torch.zeros(()))  # a picture of another moment
    optimizer = torch.optim.Adam(painting.critic.parameters(), lr=3e-3)
    for _ in range(40):
        losses = painting_losses(painting, one, CONFIG, 0.0, judged=True)
        optimizer.zero_grad()
        losses["loss"].backward()
        found = gradients(painting.critic)
        optimizer.step()
    with torch.no_grad():
        real, _ = painting.critic(one.true, one.coverage)
        fake, _ = painting.critic(one.made, one.coverage)
    assert losses["right"] > 0.9
    assert losses["critic"] < 0.7
    assert real[1].mean() > fake[1].mean() + 0.5

    # its gradient is that of its own loss
    painting.zero_grad()
    real, _ = painting.critic(one.true, one.coverage)
    fake, _ = painting.critic(one.made, one.coverage)
    own = sum(torch.relu(1 - (r - f)).mean() for f, r in zip(fake, real, strict=True)) / 2
    painting_losses(painting, one, CONFIG, 0.0, judged=True)["loss"].backward()
    found = gradients(painting.critic)
    painting.zero_grad()
    own.backward()  # type: ignore[union-attr]
    for a, b in zip(found, gradients(painting.critic), strict=True):
        torch.testing.assert_close(a, b)


def test_pixels_of_small_things_count_more() -> None:
    channels = torch.zeros(1, NUM_SURFACE_CHANNELS, 4, 4)
    channels[:, share_of(SemanticClass.ROAD)] = 1
    for kind, column, share in ((SemanticClass.CAR, 0, 1.0), (SemanticClass.SIGN, 1, 0.5)):
        channels[:, share_of(SemanticClass.ROAD), :, column] -= share
        channels[:, share_of(kind), :, column] = share
    weights = pixel_weights(Surfaces(channels, torch.zeros(1, 4, 4)), 3.0)
    assert weights[0, 0].tolist() == [[4.0, 2.5, 1.0, 1.0]] * 4


def test_latents_of_true_frames_are_given_to_a_share_with_and_without_a_layout(painting: Painting) -> None:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    seen, blind = (rollouts_of(shared_street(), layout_dropout=dropout) for dropout in (0.0, 1.0))
    batches = [one.batch(one.choose(0.0, rng), rng) for one in (seen, blind)]

    def given(k: int, fraction: float) -> RawLatents:
        return posterior_source(painting.vae, fraction)(batches[k], rng, generator)

    for nothing in (given(0, 0.0), given(1, 0.0)):
        assert not nothing.values.any()
        assert nothing.kl == 0
    for all_of_them in (given(0, 1.0), given(1, 1.0)):
        assert all_of_them.values.abs().amax((1, 2, 3)).min() > 0.1
        assert all_of_them.kl > 0


def test_latents_of_clips_are_given_as_raw_ones_but_for_a_share(painting: Painting) -> None:
    painting.vae.latent_mean.fill_(2.0)
    painting.vae.latent_std.fill_(3.0)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    rollouts = rollouts_of(shared_street(), batch_size=3, num_frames=1)
    batch = rollouts.batch(rollouts.choose(0.0, rng), rng)._replace(generated=torch.ones(3, 8, 4, 4))
    assert (clip_source(painting.vae, 0.0)(batch, rng, generator).values == 5.0).all()
    assert not clip_source(painting.vae, 1.0)(batch, rng, generator).values.any()


def test_impossible_shares_are_refused() -> None:
    loop = LoopConfig(num_steps=1)
    with pytest.raises(ValueError, match=r"latent_fraction must lie in \[0, 1\], got 1.5"):
        VAEStageConfig(loop=loop, latent_fraction=1.5)
    with pytest.raises(ValueError, match=r"critic_from must lie in \[0, 1\], got -0.5"):
        PaintingConfig(critic_from=-0.5)
    with pytest.raises(ValueError, match="critic_width must be positive, got 0"):
        PaintingConfig(critic_width=0)
