"""Sharpness, colours and calibration of sets with known answers."""

import numpy as np
import pytest

from training.evaluation.image_metrics import (
    STATISTICS,
    calibration,
    color_statistics,
    frame_statistics,
    psnr,
    sharpness,
)


def stripes(strength: int) -> np.ndarray:
    """Grey frames with columns that are brighter by so much in turn."""
    frames = np.full((2, 8, 8, 3), 100, np.uint8)
    frames[:, :, ::2] += np.uint8(strength)
    return frames


def test_colours_of_known_frames() -> None:
    half = np.full((2, 4, 4, 3), 60, np.uint8)
    half[1, :2] = 100, 60, 80
    statistics = color_statistics(half)
    assert statistics["brightness"].tolist() == [60.0, 70.0]
    assert statistics["contrast"].tolist() == [0.0, 10.0]
    assert statistics["saturation"].tolist() == [0.0, 20.0]


def test_half_the_contrast_of_edges_is_half_the_sharpness() -> None:
    assert sharpness(stripes(0)).tolist() == [0, 0]
    weak, strong = (frame_statistics(stripes(strength)) for strength in (20, 40))
    ratios = {name: weak[name].mean() / strong[name].mean() for name in ("sharpness", "contrast", "brightness")}
    assert ratios == pytest.approx({"sharpness": 0.5, "contrast": 0.5, "brightness": 110 / 120})
    assert psnr(stripes(20), stripes(40)) == pytest.approx(10 * np.log10(255**2 / 200))


def test_many_frames_are_measured_as_each_alone() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (130, 8, 8, 3), dtype=np.uint8)
    statistics = frame_statistics(frames)
    assert tuple(statistics) == STATISTICS
    for name, values in statistics.items():
        assert values[100] == pytest.approx(frame_statistics(frames[100:101])[name][0])
    values = psnr(frames.reshape(2, 65, 8, 8, 3), 255 - frames.reshape(2, 65, 8, 8, 3))
    assert values.shape == (2, 65)
    assert values[1, 35] == pytest.approx(psnr(frames[100], 255 - frames[100]))


def test_calibration_of_known_probabilities() -> None:
    labels = np.arange(100) % 2 == 0
    sure = calibration(np.full(100, 0.9), labels)
    assert sure["expected_calibration_error"] == pytest.approx(0.4)
    assert sure["bins"] == [{"from": 0.9, "to": 1.0, "count": 100, "probability": pytest.approx(0.9), "frequency": 0.5}]
    right = calibration(np.full(100, 0.5), labels)
    assert right["expected_calibration_error"] == pytest.approx(0)
    mixed = calibration(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 1, 1]))
    assert mixed["expected_calibration_error"] == pytest.approx(0.25)
    assert [b["count"] for b in mixed["bins"]] == [2, 2]
    assert np.isnan(calibration(np.zeros(0), np.zeros(0))["expected_calibration_error"])
