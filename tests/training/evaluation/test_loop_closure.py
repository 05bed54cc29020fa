"""Loop closure: the route comes back, the same views are found, scores have known answers."""

import numpy as np
import pytest
from tiny_model import random_clip, random_model

from training.evaluation.loop_closure import (
    LoopDrives,
    LoopRoute,
    drive_loops,
    loop_closure_scores,
    same_views,
    view_rows,
)


def test_a_loop_comes_back_to_where_it_began() -> None:
    loop = LoopRoute(length=60.0, width=40.0, radius=10.0, num_laps=2)
    route = loop.points(spacing=0.5)
    assert route[0].tolist() == [0, 0]
    steps = np.hypot(*np.diff(route, axis=0).T)
    assert steps.max() < 0.51
    assert np.abs(route[:, 0]).max() == pytest.approx(30.0, abs=0.01)
    assert route[:, 1].min() == pytest.approx(0.0, abs=1e-4)
    assert route[:, 1].max() == pytest.approx(40.0, abs=0.01)
    again = round(loop.lap_length / 0.5)
    assert np.hypot(*(route[again] - route[0])) < 0.5
    with pytest.raises(ValueError, match="radius must be positive and at most half of length 60"):
        LoopRoute(length=60.0, width=40.0, radius=25.0)


def drives_of(brightness: list[int]) -> LoopDrives:
    """Four places, one metre and a half apart, visited twice; a frame of one brightness each."""
    x = np.array([0, 3, 6, 9, 6, 3, 0, 3], float)
    poses = np.stack([x, np.zeros(8), np.zeros(8)], axis=-1)[None]
    frames = np.broadcast_to(np.array(brightness, np.uint8)[None, :, None, None, None], (1, 8, 4, 4, 3))
    latents = np.array(brightness, np.float32)[None, :, None, None, None] / 10
    return LoopDrives(frames=frames, latents=latents, poses=poses)


def test_the_same_views_are_paired_and_compared() -> None:
    drives = drives_of([10, 20, 30, 40, 30, 20, 10, 20])
    pairs = same_views(drives, 6.0)
    assert pairs.tolist() == [[0, 4, 2], [0, 5, 1], [0, 6, 0], [0, 7, 1]]
    first, later = view_rows(drives, 6.0, count=4)
    assert first[:, 0, 0, 0].tolist() == later[:, 0, 0, 0].tolist() == [30, 20, 10, 20]
    scores = loop_closure_scores(drives, 6.0, np.random.default_rng(0))
    assert scores["pairs"] == 4
    assert scores["same_view"] == pytest.approx({"psnr_db": 60.0, "latent_rms": 0.0})
    assert scores["other_view"]["psnr_db"] < 40
    assert loop_closure_scores(drives, 100.0, np.random.default_rng(0)) == {"pairs": 0}


def test_loops_are_driven_alone_and_with_or_without_a_memory() -> None:
    model = random_model(num_retrieved=1)
    clip = random_clip(4)
    with_memory = drive_loops(model, [clip], LoopRoute(), 30)
    without = drive_loops(model, [clip], LoopRoute(), 30, with_memory=False)
    assert with_memory.frames.shape == (1, 30, 128, 128, 3)
    assert with_memory.latents.shape[:2] == (1, 30)
    np.testing.assert_allclose(with_memory.poses, without.poses, atol=0.5)
    assert np.abs(with_memory.latents - without.latents).max() > 0
