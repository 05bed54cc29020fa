"""Where a recording can be started from, and the clips cut there, on recordings whose answers are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_drives import turning_car

from training.data.camera_scenes import CameraScenes, write_camera_scenes
from training.data.starts import choose_starts, clip_at, recorded_route


def test_a_third_of_the_starts_lie_before_an_episodes_end_and_all_have_a_context() -> None:
    store = turning_car(200)
    starts = choose_starts(store, 30, 8, 60, np.random.default_rng(0))  # type: ignore[arg-type]
    assert starts.min() >= 7
    assert (starts[::3] >= 200 - 31).all()
    assert (np.delete(starts, slice(0, None, 3)) <= 200 - 1 - 60).all()
    with pytest.raises(ValueError, match="no episode of the data has 18 frames"):
        choose_starts(turning_car(12), 3, 8, 60, np.random.default_rng(0))  # type: ignore[arg-type]


def test_the_recorded_route_is_the_road_as_far_as_its_episode_saw_it() -> None:
    store = turning_car(60)
    route, lanes = recorded_route(store, 10)  # type: ignore[arg-type]
    assert lanes.shape == (len(route), 4)
    recorded = store.rows.scenes.lane_valid[10:, 2]
    assert np.isfinite(lanes[:, 0]).all() == recorded.all()
    assert np.isnan(lanes[:, 2:]).all()  # no recording knows the road's edges
    x, y, yaw = store.rows.vehicles[10, :3]
    c, s = np.cos(yaw), np.sin(yaw)
    ground = np.array([x, y]) + route @ np.array([[c, s], [-s, c]])
    assert np.abs(ground[:, 1]).max() < 0.05  # the route is the ground's x axis
    assert (np.diff(ground[:, 0]) > 0).all()
    assert ground[-1, 0] == pytest.approx(store.rows.vehicles[-1, 0] + 50, abs=1.0)


def test_a_clip_ends_at_its_position() -> None:
    store = turning_car(40)
    clip = clip_at(store, 20, 8)  # type: ignore[arg-type]
    assert (clip.frames == store.frames[13:21]).all()
    assert len(clip.controls) == 7
    assert (clip.vehicles == store.rows.vehicles[13:21]).all()
    assert clip.sun is None


def test_a_clip_knows_the_sun_of_its_camera_scenes(tmp_path: Path) -> None:
    store, sun = turning_car(40), np.array([0.48, -0.64, 0.6])
    write_camera_scenes(tmp_path / "scenes.npz", [replace(one, sun=sun) for one in store.camera_scenes(0)], None)
    store.camera_scenes, store.has_camera_scenes = lambda _: CameraScenes(tmp_path / "scenes.npz"), lambda _: True
    assert np.array_equal(clip_at(store, 20, 8).sun, sun)  # type: ignore[arg-type]
