"""Checkpoints and start clips: round trips, and files that do not fit are refused by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CONFIG, random_clip, random_model
from torch import nn

from worldsim.checkpoint import load_tensors, save_tensors, warm_start
from worldsim.configs import DiTConfig, WorldModelConfig, build
from worldsim.datatypes.starts import load_starts, save_starts
from worldsim.world_model import WorldModel


def test_round_trip(tmp_path: Path) -> None:
    model = random_model()
    model.save(tmp_path)
    loaded = WorldModel.load(tmp_path)
    assert loaded.config == CONFIG
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_tensors_that_do_not_lie_row_by_row_are_saved_as_they_are(tmp_path: Path) -> None:
    tensor = torch.arange(72.0).view(1, 2, 6, 6).contiguous(memory_format=torch.channels_last)
    save_tensors({"x": tensor}, tmp_path / "x.safetensors")
    assert torch.equal(load_tensors(tmp_path / "x.safetensors")["x"], tensor)


def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    random_model().save(tmp_path)
    replace(CONFIG, dit=replace(CONFIG.dit, width=64)).save_json(tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"weights.safetensors does not fit.*shape"):
        WorldModel.load(tmp_path)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        WorldModel.load(tmp_path)
    random_model().save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"weights.safetensors: damaged"):
        WorldModel.load(tmp_path)
    (tmp_path / "config.json").write_text('{"frame_size": [128, 128], "colour": 3}')
    with pytest.raises(ValueError, match="colour"):
        WorldModel.load(tmp_path)


def test_config_values_are_checked() -> None:
    with pytest.raises(ValueError, match="130"):
        WorldModelConfig(frame_size=(130, 128))
    with pytest.raises(ValueError, match="60 / 4"):
        build(DiTConfig, {"width": 60, "num_heads": 4})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"vehicle": {"wheelbase": float("nan")}}, "wheelbase must be a finite number above 0, got nan"),
        ({"vehicle": {"wheelbase": 0.0}}, "wheelbase must be a finite number above 0, got 0.0"),
        ({"num_steps": 1_000_000_000}, "num_steps must be a .*got 1000000000"),
        ({"num_steps": 2.5}, "num_steps must be a whole number of at most 1000, got 2.5"),
        ({"dt": "a"}, "dt must be a positive number .* got 'a'"),
        ({"dit": {"window": 10_000_000}}, "window must be a positive number of at most .*, got 10000000"),
    ],
)
def test_numbers_in_a_config_that_cannot_be_are_named(values: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        build(WorldModelConfig, values)


def test_start_clips_come_back_from_a_file(tmp_path: Path) -> None:
    clips = [random_clip(seed=s) for s in range(3)]
    with pytest.raises(ValueError, match=r"lanes must be \[5, 4\], the route has 5 points, got \(90, 4\)"):
        replace(clips[1], route=np.zeros((5, 2), np.float32))
    lanes = np.array([[1.6, 8.0, 5.0, 1.7]] * 4 + [[np.nan] * 4], np.float32)
    clips[1] = replace(clips[1], route=np.arange(10, dtype=np.float32).reshape(5, 2), lanes=lanes)
    save_starts(clips, tmp_path / "starts.npz")
    for a, b in zip(clips, load_starts(tmp_path / "starts.npz"), strict=True):
        assert np.array_equal(a.frames[-1], b.frames[-1])
        assert np.abs(a.frames.astype(int) - b.frames).mean() < 12  # of noise, which no video likes
        assert np.array_equal(a.controls, b.controls)
        assert np.array_equal(a.route, b.route)
        assert np.array_equal(a.lanes, b.lanes, equal_nan=True)
        assert a.scenes == b.scenes
    (tmp_path / "bad.npz").write_bytes((tmp_path / "starts.npz").read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"bad.npz: damaged"):
        load_starts(tmp_path / "bad.npz")


def test_warm_start_takes_what_fits_and_ignores_new_inputs() -> None:
    torch.manual_seed(0)
    small, grown = nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3)
    assert warm_start(grown, small.state_dict()) == []
    x = torch.randn(1, 5, 8, 8)
    torch.testing.assert_close(grown(x), small(x[:, :3]))
    assert warm_start(nn.Conv2d(3, 8, 3), small.state_dict()) == ["weight", "bias"]
