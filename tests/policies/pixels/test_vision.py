"""What a pixel planner sees of a frame."""

import numpy as np
import pytest

from policies.pixels.vision import FRAME_AGES, FRAME_SIZE, PICTURE_SIZE, Vision, fit_frame

FRAMES = np.random.default_rng(0).integers(0, 255, (2, *FRAME_SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("vision", [Vision(), Vision(grey=True), Vision(blur=8), Vision(width=1 / 3), Vision(delay=4)])
def test_pictures_have_one_shape_and_the_frames_stay_as_they_are(vision: Vision) -> None:
    before = FRAMES.copy()
    assert vision.see(FRAMES).shape == (2, *PICTURE_SIZE, 3)
    assert vision.see(FRAMES).dtype == np.uint8
    np.testing.assert_array_equal(vision.see(FRAMES)[1], vision.see(FRAMES[1]))
    np.testing.assert_array_equal(FRAMES, before)


def test_without_a_handicap_a_picture_is_the_frame_below_the_sky() -> None:
    np.testing.assert_array_equal(Vision().see(FRAMES), FRAMES[:, 32:])
    assert Vision().ages == FRAME_AGES


def test_each_handicap_takes_what_it_says() -> None:
    grey = Vision(grey=True).see(FRAMES)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    blurred = Vision(blur=8).see(FRAMES)
    np.testing.assert_array_equal(blurred[:, 8:16, 16:24], np.broadcast_to(blurred[:, 8:9, 16:17], (2, 8, 8, 3)))
    assert blurred[0, 8, 16] == pytest.approx(FRAMES[0, 40:48, 16:24].mean(axis=(0, 1)), abs=1)
    narrow = Vision(width=0.5).see(FRAMES)
    assert not narrow[..., :32, :].any()
    assert not narrow[..., 96:, :].any()
    np.testing.assert_array_equal(narrow[..., 32:96, :], FRAMES[:, 32:, 32:96])
    assert Vision(delay=4).ages == tuple(age + 4 for age in FRAME_AGES)


def test_what_cannot_be_seen_with_is_refused() -> None:
    for changes, message in (
        ({"delay": -1}, "delay must not be negative, got -1"),
        ({"blur": 5}, "blur must divide the picture's size"),
        ({"width": 0.0}, r"width must lie in \(0, 1\], got 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            Vision(**changes)


def test_frames_of_other_sizes_are_resized_and_those_without_pixels_refused() -> None:
    large = np.repeat(np.repeat(FRAMES[0], 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(fit_frame(large), FRAMES[0])
    np.testing.assert_array_equal(fit_frame(FRAMES[0]), FRAMES[0])
    with pytest.raises(ValueError, match=r"needs square frames, as of an env with obs='pixels', got \(0, 0, 3\)"):
        fit_frame(np.zeros((0, 0, 3), np.uint8))
    with pytest.raises(ValueError, match=r"got \(64, 128, 3\)"):
        fit_frame(FRAMES[0, :64])
