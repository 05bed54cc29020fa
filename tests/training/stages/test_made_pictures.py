"""Made pictures: of the positions that are asked for, with those before them, made once."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.stages import made_pictures
from training.stages.made_pictures import MadePicturesConfig, make_pictures
from worldsim.networks.scene_reader import NUM_READ

VAE = torch.nn.Linear(1, 1)
"""Stands in for one: what is made depends on its weights by their checksum alone."""


class Counting:
    """Rollouts whose every picture is as bright as its position; row r begins at 100 r."""

    def __init__(self) -> None:
        self.carried = {"at": torch.arange(4) * 100}

    def choose(self, progress: float, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(4, 2, replace=False)


def unroll(vae, rollouts: Counting, rows: np.ndarray, *rest) -> SimpleNamespace:
    made = []
    for _ in range(NUM_READ):
        rollouts.carried["at"][rows] += 1
        at = rollouts.carried["at"][rows] % 100
        made.append((at / 127.5 - 1)[:, None, None, None].expand(-1, 3, 16, 16))
    return SimpleNamespace(made=torch.cat(made))


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    asked: list[dict] = []
    monkeypatch.setattr(
        made_pictures, "begin_rollouts", lambda v, s, b, config: asked.append(vars(config)) or Counting()
    )
    monkeypatch.setattr(made_pictures, "posterior_source", lambda vae, fraction: None)
    monkeypatch.setattr(made_pictures, "unroll", unroll)
    return asked


def test_pictures_of_the_asked_positions_are_kept_with_those_before_them(counting: list[dict], tmp_path: Path) -> None:
    positions, path = np.arange(3, 500, 4), tmp_path / "made.safetensors"
    config = MadePicturesConfig(num_steps=20)
    made = make_pictures(VAE, None, positions, config, path)  # type: ignore[arg-type]
    assert counting[0]["num_frames"] == NUM_READ
    assert 0 < len(made.positions) < 40
    assert np.isin(made.positions, positions).all()
    assert made.frames.shape == (len(made.positions), NUM_READ, 16, 16, 3)
    for at, frames in zip(made.positions, made.frames, strict=True):
        assert frames[:, 0, 0, 0].tolist() == [at % 100 - 2, at % 100 - 1, at % 100]
    again = make_pictures(VAE, None, positions, config, path)  # type: ignore[arg-type]
    assert len(counting) == 1
    np.testing.assert_array_equal(again.frames, made.frames)


def test_pictures_of_another_config_positions_or_weights_are_made_anew(counting: list[dict], tmp_path: Path) -> None:
    positions, path = np.arange(3, 500, 4), tmp_path / "made.safetensors"
    config = MadePicturesConfig(num_steps=20)
    for vae, asked, settings in (
        (VAE, positions, config),
        (VAE, positions, replace(config, seed=5)),
        (VAE, positions + 1, replace(config, seed=5)),
        (torch.nn.Linear(1, 1), positions + 1, replace(config, seed=5)),
    ):
        made = make_pictures(vae, None, asked, settings, path)  # type: ignore[arg-type]
        assert np.isin(made.positions, asked).all()
    assert len(counting) == 4


def test_too_few_pictures_are_refused(counting: list[dict], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 2 made pictures is at one of the positions"):
        make_pictures(VAE, None, np.array([499]), MadePicturesConfig(num_steps=1), tmp_path / "made")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        MadePicturesConfig(num_steps=0)
    with pytest.raises(ValueError, match=r"latent_fraction must lie in \[0, 1\], got 2"):
        MadePicturesConfig(latent_fraction=2)
