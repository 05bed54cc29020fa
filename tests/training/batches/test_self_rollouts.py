"""Self-rollouts: true at first, then generated, made once."""

from pathlib import Path

import numpy as np
import pytest
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
    with pytest.raises(ValueError, match="holds clips of 6 frames, 7 are needed; delete it"):
        make_self_rollouts(model, windows_of(7), config, path)
    with pytest.raises(ValueError, match="windows of 3 frames are too short for num_context 3"):
        make_self_rollouts(model, windows_of(3), config, tmp_path / "none")
    with pytest.raises(ValueError, match="num must be positive, got 0"):
        SelfRolloutClipsConfig(num=0)
    with pytest.raises(ValueError, match="num_frames must be more than the context's 3, got 3"):
        SelfRolloutClipsConfig(num_frames=3)
