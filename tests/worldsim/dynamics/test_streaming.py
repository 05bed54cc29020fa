"""Rollouts of pictures under controls: the cache changes nothing, the window bounds the past, errors name values."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from worldsim.configs import DiTConfig, InferenceConfig, MemoryBankConfig, MemoryKind
from worldsim.dynamics.streaming import StreamingRollout, stream_latents
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.generative_configs import VideoVAEConfig
from worldsim.networks.video_vae import VideoVAE

DIT = DiTConfig(width=32, depth=2, num_heads=2, conv_width=8, num_conv_blocks=1, window=3)
VAE = VideoVAEConfig(latent_channels=4, widths=(8, 8, 8), num_halvings=0, num_blocks=1)
CONTROLS = torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(1))
FRAMES = 2 * torch.rand(2, 4, 3, 32, 48, generator=torch.Generator().manual_seed(2)) - 1


def student(memory: MemoryKind | None = None, dit: DiTConfig = DIT) -> VideoDenoiser:
    """With random weights, where training begins with zeros."""
    torch.manual_seed(0)
    config = None if memory is None else MemoryBankConfig(kind=memory, num_slots=8)
    made = VideoDenoiser(dit, 4, (32, 48), config)
    for parameter in made.dit.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return made


def vae() -> VideoVAE:
    torch.manual_seed(1)
    made = VideoVAE(VAE)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return made


def rolled_out(made: VideoDenoiser, seed: int = 0, temperature: float = 1.0, **config: Any) -> torch.Tensor:
    rollout = StreamingRollout(made, vae(), InferenceConfig(**config))
    return rollout.generate_sequence(FRAMES, CONTROLS, 8, temperature, seed)


@pytest.mark.parametrize("window", [None, 2, 5])
@pytest.mark.parametrize("memory", [None, "ntm", "transformer-xl"])
def test_the_cache_changes_nothing(memory, window):
    made = student(memory)
    with_cache, without = (rolled_out(made, use_kv_cache=use, context_window=window) for use in (True, False))
    torch.testing.assert_close(with_cache, without, atol=1e-5, rtol=1e-4)
    assert with_cache.shape == (2, 8, 3, 32, 48)


def test_frames_come_one_by_one_and_are_the_same():
    made = student()
    frames = StreamingRollout(made, vae()).stream(FRAMES, CONTROLS, 8)
    assert torch.equal(next(frames), rolled_out(made)[:, 0])


@pytest.mark.parametrize("use_kv_cache", [True, False])
def test_a_frame_knows_of_the_past_only_what_the_window_leaves(use_kv_cache):
    """A single block sees `context_window` frames back through attention, and num_previous latents beside its input;
    what of an older frame changes is not noticed."""
    made = student(dit=replace(DIT, depth=1, num_previous=1))
    generator = torch.Generator().manual_seed(0)
    context, noise = (torch.randn(2, n, 4, 4, 6, generator=generator) for n in (5, 1))

    def latent(changed: int | None, window: int) -> torch.Tensor:
        given = context.clone()
        if changed is not None:
            given[:, changed] += 1.0
        config = InferenceConfig(context_window=window, use_kv_cache=use_kv_cache)
        return next(stream_latents(made, given, CONTROLS[:, :6], noise, config))

    # a frame's tokens know the latent before it: frame 1 is in those of frame 2, the oldest of three
    for window, unseen, seen in ((3, 0, 1), (2, 1, 2), (4, None, 0)):
        before = latent(None, window)
        if unseen is not None:
            torch.testing.assert_close(latent(unseen, window), before, atol=1e-6, rtol=1e-5)
        assert (latent(seen, window) - before).abs().max() > 1e-4


def test_without_noise_no_seed_matters():
    made = student()
    assert torch.equal(rolled_out(made, seed=0, temperature=0.0), rolled_out(made, seed=1, temperature=0.0))
    assert not torch.equal(rolled_out(made, seed=0), rolled_out(made, seed=1))
    assert torch.equal(rolled_out(made, seed=1), rolled_out(made, seed=1))


def test_a_control_changes_what_follows_it_and_nothing_before():
    made, other = student(), CONTROLS.clone()
    other[:, 6, 0] += 1.0  # chosen at frame 6, the third that is made, it leads to the fourth
    rollout = StreamingRollout(made, vae())
    a, b = (rollout.generate_sequence(FRAMES, controls, 8) for controls in (CONTROLS, other))
    assert torch.equal(a[:, :3], b[:, :3])
    assert not torch.equal(a[:, 3], b[:, 3])


def test_bfloat16_is_near():
    made = student()
    exact, rounded = rolled_out(made), rolled_out(made, mixed_precision=True)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().mean() < 0.1 * exact.std()


@pytest.mark.parametrize(("changes", "message"), [
    ({"context_frames": FRAMES[:, :, :, :16]}, r"context_frames must be \[b, k, 3, 32, 48\], got \[2, 4, 3, 16, 48\]"),
    ({"context_frames": FRAMES[0]}, r"context_frames must be \[b, k, 3, 32, 48\], got \[4, 3, 32, 48\]"),
    ({"context_frames": FRAMES[:, :0]}, r"got \[2, 0, 3, 32, 48\]"),
    ({"context_frames": FRAMES.to(torch.uint8)}, r"floats in \[-1, 1\], got torch.uint8"),
    ({"control_sequence": CONTROLS[:, :11]}, "has 11 controls, 4 context_frames and max_new_frames = 8 need 12"),
    ({"control_sequence": CONTROLS[:1]}, r"control_sequence must be \[2, t, 4\] \(steer, .*got \[1, 12, 4\]"),
    ({"control_sequence": CONTROLS[..., :2]}, r"got \[2, 12, 2\]"),
    ({"control_sequence": CONTROLS.index_fill(1, torch.tensor([5]), torch.nan)}, r"control_sequence\[0, 5, 0\] is nan"),
    ({"max_new_frames": 0}, "max_new_frames must be at least 1, got 0"),
    ({"max_new_frames": 9}, "max_new_frames = 9 are 13 frames, more than max_sequence_length = 12"),
    ({"temperature": -1.0}, "temperature must not be negative, got -1.0"),
])  # fmt: skip
def test_a_request_that_cannot_be_is_refused(changes, message):
    rollout = StreamingRollout(student(), vae(), InferenceConfig(max_sequence_length=12))
    request = {"context_frames": FRAMES, "control_sequence": CONTROLS, "max_new_frames": 8} | changes
    with pytest.raises(ValueError, match=message):
        rollout.generate_sequence(**request)


@pytest.mark.parametrize(("changes", "message"), [
    ({"latent_channels": 8}, "the vae's latents have 8 channels, the student's 4"),
    ({"num_halvings": 1}, "a latent of the vae must be of one frame, not of 2"),
    ({"widths": (8, 8)}, r"a cell of 4 pixels, the student's \(32, 48\) are \(4, 6\) cells"),
])  # fmt: skip
def test_a_vae_of_other_latents_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        StreamingRollout(student(), VideoVAE(replace(VAE, **changes)))


@pytest.mark.parametrize(("name", "value"), [("max_sequence_length", 1), ("context_window", 0), ("num_steps", 0)])
def test_a_config_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least [12], got {value}"):
        InferenceConfig(**{name: value})
