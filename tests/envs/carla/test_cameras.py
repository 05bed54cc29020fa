"""CARLA's depth and segmentation pixels, against its documentation's own numbers and back."""

import numpy as np
import pytest

from envs.carla.cameras import DEPTH_FAR, depth_of, depth_pixels, rgb_of, rgb_pixels, semantic_of, semantic_pixels
from worldsim.gbuffer.classes import SemanticClass


@pytest.mark.parametrize(
    ("red", "green", "blue", "metres"),
    [(0, 0, 0, 0.0), (255, 255, 255, np.inf), (0, 0, 128, 1000 * 128 * 65536 / (2**24 - 1)), (10, 1, 0, 0.015855)],
)
def test_depth_is_decoded_as_documented(red, green, blue, metres):
    pixels = np.array([[[blue, green, red, 255]]], np.uint8)
    assert depth_of(pixels).dtype == np.float16
    assert depth_of(pixels)[0, 0] == pytest.approx(metres, rel=1e-3)


def test_depth_comes_back():
    depth = np.linspace(0.5, 990.0, 3000).astype(np.float16).reshape(50, 60)
    depth[0] = np.inf
    np.testing.assert_array_equal(depth_of(depth_pixels(depth)), depth)
    assert np.isinf(depth_of(depth_pixels(np.array([[DEPTH_FAR + 1]], np.float32))))


def test_classes_come_back_as_far_as_carla_tells_them_apart():
    classes = np.array([list(SemanticClass)], np.uint8)
    merged = {
        SemanticClass.CROSSWALK: SemanticClass.MARKING,
        SemanticClass.STOP_LINE: SemanticClass.MARKING,
        SemanticClass.CURB: SemanticClass.SIDEWALK,
        SemanticClass.ROOF: SemanticClass.BUILDING,
        SemanticClass.BARRIER: SemanticClass.OTHER,
    }
    assert semantic_of(semantic_pixels(classes))[0].tolist() == [merged.get(kind, kind) for kind in SemanticClass]


def test_every_tag_has_a_class():
    tags = np.zeros((1, 256, 4), np.uint8)
    tags[0, :, 2] = np.arange(256)
    found = semantic_of(tags)[0]
    assert found[[1, 14, 12, 11, 24]].tolist() == [1, 16, 18, 0, 4]  # road, car, pedestrian, sky, road line
    assert (found[29:] == SemanticClass.OTHER).all()


def test_rgb_comes_back():
    frame = np.random.default_rng(0).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(rgb_of(rgb_pixels(frame)), frame)
