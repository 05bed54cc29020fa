"""The whole path once: record, train, evaluate, and drive in what came out."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from envs.registration import make_learned_env
from training.train import TrainConfig, train


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_debug_recipe_runs_and_gives_a_world_to_drive_in(tmp_path: Path) -> None:
    config = TrainConfig(recipe="debug", out=tmp_path, num_workers=0, precision="bfloat16")
    train(config)
    assert (tmp_path / "evaluation" / "report.json").is_file()
    weights = tmp_path / "checkpoint" / "weights.safetensors"
    before = weights.read_bytes()
    train(config)  # everything is done: nothing is trained again
    assert weights.read_bytes() == before
    env = make_learned_env(checkpoint=tmp_path / "checkpoint", trust_signals="full")
    env.reset(seed=0)
    frame, *_ = env.step(np.array([0.0, 0.5], np.float32))
    assert frame.shape == (128, 128, 3)
