"""Start clips carry the layout around their route, in memory and in a file; old files know none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import random_clip

from worldsim.datatypes.layout import Layout, LineKind
from worldsim.datatypes.starts import load_starts, save_starts


def line_layout(x: float) -> Layout:
    return Layout(
        line_points=np.array([[x, 0, 0], [x, 5.5, 0], [x + 1, 9, 0]], np.float64),
        line_starts=np.array([0, 3]),
        line_kinds=np.array([int(LineKind.SOLID)]),
        line_colors=np.zeros(1, np.int64),
        line_widths=np.full(1, 0.125, np.float32),
        boxes_known=False,
    )


def test_a_clip_knows_no_layout_unless_given() -> None:
    clip = random_clip(4)

    assert not clip.layout.ground_known
    assert not clip.layout.boxes_known
    assert clip.last(2).layout is clip.layout


def test_layouts_come_back_from_a_file_clip_by_clip(tmp_path: Path) -> None:
    clips = [replace(random_clip(3), layout=line_layout(2.0)), random_clip(3), replace(random_clip(3), layout=Layout())]
    save_starts(clips, tmp_path / "starts.npz")

    for clip, again in zip(clips, load_starts(tmp_path / "starts.npz"), strict=True):
        assert again.layout == clip.layout


def test_a_file_with_a_damaged_layout_is_named(tmp_path: Path) -> None:
    path = tmp_path / "starts.npz"
    save_starts([replace(random_clip(3), layout=line_layout(2.0))], path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "layout_line_sizes"}
    np.savez_compressed(path, **arrays)

    with pytest.raises(ValueError, match=r"starts\.npz: damaged.*line_sizes"):
        load_starts(path)
