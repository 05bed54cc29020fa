"""Self-rollouts: true at first, then generated, made once; how the head's stage cuts windows from them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car
from tiny_model import CONFIG, random_model

from training.batches.latent_windows import LatentWindows
from training.batches.self_rollouts import SelfRolloutClips, SelfRolloutClipsConfig, make_self_rollouts
from training.stages.loop import LoopConfig
from training.stages.scene_head import HeadStageConfig, mixed_batch
from worldsim.dynamics.rollout import NUM_KEPT

LATENTS = np.random.default_rng(0).standard_normal((40, 8, 16, 16)).astype(np.float16)


def windows_of(num_frames: int) -> LatentWindows:
    return LatentWindows(turning_car(40), LATENTS, CONFIG, num_frames, np.array([0]))  # type: ignore[arg-type]


def test_clips_begin_with_the_truth_go_on_as_generated_and_are_made_once(tmp_path: Path) -> None:
    model, config = random_model(), SelfRolloutClipsConfig(num=3, batch_size=2)
    path = tmp_path / "clips.safetensors"
    clips = make_self_rollouts(model, windows_of(6), config, path)
    assert clips.latents.shape == (3, 6, 8, 16, 16)
    for first, latents in zip(clips.firsts, clips.latents, strict=True):
        truth = LATENTS[first : first + 6]
        assert np.array_equal(latents[:3], truth[:3])
        assert all(np.abs(a - b).max() > 0.1 for a, b in zip(latents[3:], truth[3:], strict=True))
    written = path.stat().st_mtime_ns
    again = make_self_rollouts(model, windows_of(6), config, path)
    assert path.stat().st_mtime_ns == written
    assert np.array_equal(again.latents, clips.latents)
    with pytest.raises(ValueError, match="holds clips of 6 frames, 7 are needed; delete it"):
        make_self_rollouts(model, windows_of(7), config, path)
    with pytest.raises(ValueError, match="windows of 3 frames are too short for num_context 3"):
        make_self_rollouts(model, windows_of(3), config, tmp_path / "none")
    with pytest.raises(ValueError, match="num must be positive, got 0"):
        SelfRolloutClipsConfig(num=0)
    with pytest.raises(ValueError, match="num_frames must be more than the context's 3, got 3"):
        SelfRolloutClipsConfig(num_frames=3)


def test_the_head_sees_generated_frames_with_the_recorded_targets() -> None:
    """Windows end with a generated frame; the number of the frame is written into its latent."""
    number = np.arange(6, dtype=np.float16)[None, :, None, None, None]
    clips = SelfRolloutClips(np.array([10]), np.broadcast_to(100 + number, (1, 6, 8, 16, 16)), 4)
    config = HeadStageConfig(loop=LoopConfig(num_steps=1), batch_size=8, self_rollout_fraction=0.5)
    windows = windows_of(NUM_KEPT)
    batch = mixed_batch(windows, clips, config, np.random.default_rng(0))
    newest = batch.latents[:4, -1, 0, 0, 0].long() - 100
    assert set(newest.tolist()) <= {4, 5}
    assert torch.equal(torch.from_numpy(batch.first[:4]) + NUM_KEPT - 1, 10 + newest)
    for k, first in enumerate(batch.first[4:].tolist()):
        assert np.array_equal(batch.latents[4 + k].numpy(), LATENTS[first : first + NUM_KEPT].astype(np.float32))
    recorded = windows.at(batch.first, np.ones((8, 6)) * 0.99).targets
    assert torch.equal(batch.targets.ego, recorded.ego)
    for fraction in (0.0, 1.0):
        config = HeadStageConfig(loop=LoopConfig(num_steps=1), batch_size=4, self_rollout_fraction=fraction)
        latents = mixed_batch(windows, clips, config, np.random.default_rng(1)).latents
        assert latents.shape == (4, NUM_KEPT, 8, 16, 16)
        assert ((latents >= 100).all(-1).all(-1).all(-1).float().mean() == fraction).item()
    with pytest.raises(ValueError, match=r"self_rollout_fraction must lie in \[0, 1\], got 2"):
        HeadStageConfig(loop=LoopConfig(num_steps=1), self_rollout_fraction=2)
