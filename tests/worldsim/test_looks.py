"""Looks: what a file of them tells, and where the sun stands then."""

from pathlib import Path

import numpy as np
import pytest
import torch

from worldsim.checkpoint import load_tensors, save_tensors
from worldsim.looks import LearnedLook, load_looks, save_looks

FOG = LearnedLook(style=np.arange(5, dtype=np.float32), sun_elevation=0.6)


def test_a_file_tells_what_was_written(tmp_path: Path) -> None:
    save_looks({"fog": FOG, "dusk": LearnedLook(style=-FOG.style, sun_elevation=0.1)}, tmp_path / "looks.safetensors")
    looks = load_looks(tmp_path / "looks.safetensors", style_width=5)
    assert list(looks) == ["fog", "dusk"]
    assert np.array_equal(looks["fog"].style, FOG.style)
    assert looks["dusk"].sun_elevation == pytest.approx(0.1)


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "looks.safetensors"
    save_looks({"fog": FOG}, path)
    with pytest.raises(ValueError, match=r"looks.safetensors: fog.style must be \(32,\), is \(5,\); right would be"):
        load_looks(path, style_width=32)
    tensors = load_tensors(path)
    save_tensors(tensors | {"night.style": torch.zeros(5)}, path)
    with pytest.raises(ValueError, match=r"night.style must be absent, is \(5,\)"):
        load_looks(path, style_width=5)
    del tensors["fog.sun_elevation"]
    save_tensors(tensors, path)
    with pytest.raises(ValueError, match=r"fog.sun_elevation must be \(\), is absent"):
        load_looks(path, style_width=5)


def test_the_sun_keeps_its_side(tmp_path: Path) -> None:
    sun = np.array([-0.48, 0.64, 0.6])
    turned = FOG.turn_sun(sun)
    assert turned is not None
    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert np.arcsin(turned[2]) == pytest.approx(0.6)
    assert turned[:2] / np.linalg.norm(turned[:2]) == pytest.approx(sun[:2] / 0.8)
    assert FOG.turn_sun(None) is None
