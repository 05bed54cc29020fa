"""Self-rollouts: true at first, then generated, made once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from tiny_model import CONFIG, random_model

from training.batches.latent_windows import LatentWindows
from training.batches.self_rollouts import SelfRolloutClipsConfig, make_self_rollouts

LATENTS = np.random.default_rng(0).standard_normal((40, 8, 16, 16)).astype(np.float16)


def windows_of(num_frames: int) -> LatentWindows:
    store = turning_car(40)
    return LatentWindows(store, encoded_store(store, LATENTS), CONFIG, num_frames, np.array([0]))  # type: ignore[arg-type]


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
    with pytest.raises(ValueError, match="windows of 3 frames are too short for num_context 3"):
        make_self_rollouts(model, windows_of(3), config, tmp_path / "none")
    with pytest.raises(ValueError, match="num must be positive, got 0"):
        SelfRolloutClipsConfig(num=0)
    with pytest.raises(ValueError, match="num_frames must be more than the context's 3, got 3"):
        SelfRolloutClipsConfig(num_frames=3)


def test_clips_of_another_config_length_or_model_are_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, config = random_model(), SelfRolloutClipsConfig(num=2, batch_size=2)
    path = tmp_path / "clips.safetensors"
    clips = make_self_rollouts(model, windows_of(6), config, path)
    assert make_self_rollouts(model, windows_of(7), config, path).latents.shape[1] == 7
    other = make_self_rollouts(model, windows_of(6), replace(config, seed=2), path)
    assert not np.array_equal(other.firsts, clips.firsts)
    again = make_self_rollouts(model, windows_of(6), config, path)
    assert np.array_equal(again.latents, clips.latents)
    with torch.no_grad():
        next(model.denoiser.parameters()).add_(0.1)
    assert not np.array_equal(make_self_rollouts(model, windows_of(6), config, path).latents, clips.latents)
    assert capsys.readouterr().err.count("clips.safetensors was made from other settings, weights or data") == 4
