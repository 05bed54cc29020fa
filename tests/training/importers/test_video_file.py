"""Frames of videos as players show them, from every kind of container, wherever reading begins."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from recordings import numbers, picture, write_video

from training.data.video_file import VideoFile

KINDS = {
    "plain.mp4": {},
    "dashcam.ts": {"container_format": "mpegts"},
    "x.flv": {"container_format": "flv"},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}},
    "open.mp4": {"codec_options": {"x264-params": "open-gop=1:keyint=25:bframes=5"}},
    "refresh.mp4": {"codec_options": {"x264-params": "intra-refresh=1:keyint=30:bframes=0"}},
    "xvid.avi": {"container_format": "avi", "codec": "mpeg4"},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_is_read_wherever_reading_begins(tmp_path, name):
    write_video(tmp_path / name, 59, **KINDS[name])
    video = VideoFile(tmp_path / name)
    np.testing.assert_allclose(video.times, np.arange(59) / 20, atol=2e-3)  # FLV counts milliseconds
    for first in (0, 1, 11, 13, 25, 36, 47, 58):
        wanted = sorted({first, min(first + 2, 58), 58})
        read = numbers(np.stack(list(video.read(wanted))))
        assert np.abs(read - wanted).max() <= (name == "xvid.avi"), first  # a coarse codec: its greys are one off


def test_the_first_frame_is_at_0_whatever_the_clock_says(tmp_path):
    write_video(tmp_path / "later.mkv", 20, container_format="matroska", first=28)
    video = VideoFile(tmp_path / "later.mkv")
    np.testing.assert_allclose(video.times, np.arange(20) / 20, atol=1e-6)
    part = VideoFile(tmp_path / "later.mkv", start=1.9)  # in the file's clock
    assert numbers(np.stack(list(part.read([0])))).tolist() == [10]


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a phone held upright: clockwise
        ((0, -1, 1, 0), lambda image: np.rot90(image)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ],
)
def test_turned_and_mirrored_as_the_file_says(tmp_path, matrix, shown):
    path = tmp_path / "turned.mp4"
    write_video(path, 3)
    write_matrix(path, matrix)
    image = next(VideoFile(path).read([2]))
    expected = shown(picture(2))
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() < 12


def test_a_tilt_that_is_no_quarter_turn_is_refused(tmp_path):
    write_video(tmp_path / "tilted.mp4", 3)
    write_matrix(tmp_path / "tilted.mp4", (0.5, 0.5, -0.5, 0.5))
    with pytest.raises(ValueError, match=r"tilted\.mp4 is to be shown turned by .*0\.5.*only quarter turns"):
        next(VideoFile(tmp_path / "tilted.mp4").read([0]))


def test_pixels_become_square(tmp_path):
    for ratio, shape in ((Fraction(5, 4), (40, 100, 3)), (Fraction(1, 2), (80, 80, 3))):
        path = tmp_path / f"{ratio.denominator}.mp4"
        write_video(path, 3, pixel_ratio=ratio)
        assert next(VideoFile(path).read([1])).shape == shape


def test_a_frame_that_is_lost_is_named(tmp_path):
    write_video(tmp_path / "cut.ts", 40, container_format="mpegts")
    video = VideoFile(tmp_path / "cut.ts")
    content = (tmp_path / "cut.ts").read_bytes()
    (tmp_path / "cut.ts").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.ts is damaged: frame 39 cannot be decoded"):
        list(video.read([3, 39]))


def write_matrix(path, axes):
    """Make an MP4 be shown by a matrix: where its x axis and its y axis point."""
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44  # after the times, number, duration, layer and volume of the track
    (a, b, c, d) = (round(65536 * value) for value in axes)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + matrix + content[at + len(matrix) :])
