"""Checkpoints and start clips: round trips, and files that do not fit are refused by name."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CONFIG, random_clip, random_model
from torch import nn

from worldsim.checkpoint import check_files, load_tensors, save_tensors, warm_start
from worldsim.configs import DiTConfig, WorldModelConfig, build
from worldsim.datatypes.starts import load_starts, save_starts
from worldsim.world_model import DEFAULT_CHECKPOINT, NETWORK_FILES, WorldModel


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


def with_a_bit_flipped(path: Path, at: int = -100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", NETWORK_FILES)
def test_a_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    for other in NETWORK_FILES:
        (tmp_path / other).write_bytes(b"of a network")
    random_model().save(tmp_path)
    check_files(tmp_path, NETWORK_FILES)
    with_a_bit_flipped(tmp_path / name, at=-1)
    with pytest.raises(ValueError, match=rf"{name}: damaged, or of another checkpoint: its CRC-32 is \w+, config.json"):
        WorldModel.load(tmp_path)


def test_the_shipped_world_has_the_checksums_of_all_its_networks() -> None:
    recorded = json.loads((DEFAULT_CHECKPOINT / "config.json").read_text())["checksums"]
    assert set(recorded) == set(NETWORK_FILES)
    check_files(DEFAULT_CHECKPOINT, NETWORK_FILES)


def test_a_world_of_before_checksums_is_loaded_with_a_warning_until_it_is_saved_again(tmp_path: Path) -> None:
    random_model().save(tmp_path)
    CONFIG.save_json(tmp_path / "config.json")
    with pytest.warns(UserWarning, match=r"config.json has no checksum of weights.safetensors, .* an older version"):
        WorldModel.load(tmp_path).save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WorldModel.load(tmp_path)


@pytest.mark.parametrize("instead", [[], "x", 5, None])
def test_what_is_no_object_of_checksums_is_refused(tmp_path: Path, instead: object) -> None:
    random_model().save(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"checksums": instead}))
    with pytest.raises(ValueError, match=r"config.json: checksums must be an object of files' CRC-32: got"):
        WorldModel.load(tmp_path)


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    model = random_model()
    with torch.no_grad():
        model.reader.stem[0].weight.view(-1)[3] = float("nan")
    model.save(tmp_path)
    with pytest.raises(ValueError, match=r"weights.safetensors: damaged, weights must be finite .* reader.* holds nan"):
        WorldModel.load(tmp_path)


@pytest.mark.parametrize(("column", "name"), [("vehicles", "vehicles"), ("controls", "controls"), ("dt", "dt")])
def test_start_clips_without_numbers_are_named(tmp_path: Path, column: str, name: str) -> None:
    path = tmp_path / "starts.npz"
    save_starts([random_clip(seed=s) for s in range(2)], path)
    arrays = dict(np.load(path))
    arrays[column] = arrays[column].astype(np.float64)
    arrays[column][(1,) + (0,) * (arrays[column].ndim - 1)] = np.nan
    np.savez(path, **arrays)
    starts = load_starts(path)
    assert len(starts[0].frames)
    with pytest.raises(ValueError, match=rf"starts.npz: damaged, .*: clip 1: {name} .*nan"):
        starts[1]


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
        ({"frame_size": float("nan")}, "WorldModelConfig.frame_size is nan; right would be tuple"),
        ({"vae": {"widths": 5}}, "VAEConfig.widths is 5; right would be tuple"),
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
