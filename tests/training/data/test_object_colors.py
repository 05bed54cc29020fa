"""The colours of listed objects: told by the recording, or read off the pictures that show them best."""

from types import SimpleNamespace

import numpy as np
import pytest
from known_drives import turning_car
from tiny_model import CONFIG

from training.data.object_colors import read_object_colors
from training.data.recorded_scenes import RecordedScenes
from worldsim.gbuffer.rasterizer import Rasterizer

RED, GREEN = (200, 20, 10), (10, 180, 30)
FIRST = np.zeros(1, np.int64)


def drive(*cars: tuple[float, float, float]) -> SimpleNamespace:
    """Ego and cars (x, y, length) stand still for three frames."""
    store = turning_car(3)
    store.rows.vehicles[:] = 0
    store.rows.scenes.object_kinds[:] = 0
    for slot, (x, y, length) in enumerate(cars):
        store.rows.scenes.objects[:, slot] = x, y, 0, 0, length, 1.8
        store.rows.scenes.object_kinds[:, slot] = 1
    store.frames[:] = 90
    return store


def scenes_of(store: SimpleNamespace) -> RecordedScenes:
    return RecordedScenes(store, Rasterizer(CONFIG.camera.with_frame_size((128, 128))))  # type: ignore[arg-type]


def paint(store: SimpleNamespace, *colors: tuple[int, int, int]) -> None:
    """Each car, where the camera sees it, in its colour."""
    scenes = scenes_of(store)
    for k in range(3):
        geometry = scenes.surfaces(k).geometry
        for row, color in enumerate(colors):
            store.frames[k][geometry.users == row] = color


def test_each_has_its_own_colour() -> None:
    store = drive((12, -2, 4.5), (14, 3, 4.2))
    paint(store, RED, GREEN)
    colors = read_object_colors(scenes_of(store), np.array([0, 2, 1]), np.array([0, 1, 0]))
    assert colors * 255 == pytest.approx(np.array([RED, GREEN, RED]), abs=1)


def test_who_is_hidden_or_behind_in_all_pictures_has_none() -> None:
    store = drive((8, 0, 4.5), (30, 0, 4.2), (-10, 0, 4.3))
    paint(store, RED, GREEN)
    colors = read_object_colors(scenes_of(store), np.array([1, 1, 1]), np.arange(3))
    assert colors[0] * 255 == pytest.approx(np.array(RED), abs=1)
    assert np.isnan(colors[1:]).all()


def test_a_colour_seen_once_is_known_in_all_frames() -> None:
    store = drive((12, -2, 4.5))
    store.rows.scenes.objects[:2, 0, 0] = -20  # behind at first
    paint(store, RED)
    assert read_object_colors(scenes_of(store), FIRST, FIRST)[0] * 255 == pytest.approx(np.array(RED), abs=1)


def test_a_recording_that_tells_colours_is_believed() -> None:
    store = drive((-12, -2, 4.5))
    told = store.camera_scenes(0)
    for scene in told:
        scene.users.colors[:] = GREEN
    store.camera_scenes, store.has_camera_scenes = lambda episode: told, lambda episode: True
    assert read_object_colors(scenes_of(store), FIRST, FIRST)[0] * 255 == pytest.approx(np.array(GREEN))
