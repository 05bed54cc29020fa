"""Windows of videos and sequences of images: the right frames at the right rate; errors name file and line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from places import SHARED_DATA
from recordings import numbers, picture, write_video

from training.data.pictures.clips import Clips, open_clips
from worldsim.networks.vae3d import frames_to_uint8

SIZE = (40, 80)


@pytest.fixture
def dataset(tmp_path) -> Path:
    """A yaml: a video of 30 frames at 20 a second, a folder of 12 images, a list of six of these."""
    write_video(tmp_path / "a.mp4", 30)
    (tmp_path / "drive").mkdir()
    for k in range(12):
        cv2.imwrite(str(tmp_path / "drive" / f"{k}.png"), picture(k)[..., ::-1])
    (tmp_path / "val.txt").write_text("".join(f"./drive/{k}.png\n" for k in range(3, 9)))
    path = tmp_path / "data.yaml"
    path.write_text("path: .\nfps: 10\ntrain:\n  - a.mp4\n  - drive\nval: val.txt\nnames: {0: road}\n")
    return path


def told(clips: Clips) -> list[list[int]]:
    """The numbers that the frames of each window tell."""
    return [numbers(frames_to_uint8(clips[k]).numpy()).tolist() for k in range(len(clips))]


def test_windows_never_cross_from_one_source_into_the_next(dataset):
    clips = Clips(open_clips(dataset), num_frames=8, image_size=SIZE, stride=4)
    firsts = [0, 4, 8, 12, 16, 20, 0, 4]
    assert told(clips) == [list(range(first, first + 8)) for first in firsts]
    assert (clips[0].dtype, clips[0].shape) == (torch.float32, (8, 3, *SIZE))
    assert told(Clips(open_clips(dataset, "val"), num_frames=6, image_size=SIZE)) == [list(range(3, 9))]


def test_frames_are_the_nearest_ones_at_a_rate(dataset):
    clips = Clips(open_clips(dataset), num_frames=3, image_size=SIZE, fps=5, stride=3)
    assert told(clips) == [[0, 4, 8], [12, 16, 20], [0, 2, 4], [6, 8, 10]]
    with pytest.raises(ValueError, match=r"data\.yaml:4: train: .*a\.mp4 has 20 frames a second; 25 would show"):
        Clips(open_clips(dataset), num_frames=3, image_size=SIZE, fps=25)
    dataset.write_text("train: drive\n")
    assert len(Clips(open_clips(dataset), num_frames=12, image_size=SIZE)) == 1
    with pytest.raises(ValueError, match=r"data\.yaml:1: train: .*drive: the rate of its frames is not known; write"):
        Clips(open_clips(dataset), num_frames=3, image_size=SIZE, fps=5)


def test_a_video_without_times_has_the_rate_of_the_yaml(dataset):
    write_video(dataset.parent / "raw.h264", 20, container_format="h264")
    dataset.write_text("fps: 20\ntrain: raw.h264\n")
    assert told(Clips(open_clips(dataset), num_frames=4, image_size=SIZE, fps=5)) == [[0, 4, 8, 12], [4, 8, 12, 16]]


def test_entries_of_roboflow_begin_with_a_folder_too_many(dataset):
    dataset.write_text("train: ../drive\n")
    assert told(Clips(open_clips(dataset), num_frames=12, image_size=SIZE)) == [list(range(12))]


def test_a_window_is_mirrored_whole_or_not_at_all(dataset):
    sources = open_clips(dataset)
    plain = Clips(sources, num_frames=4, image_size=SIZE)
    mirrored = Clips(sources, num_frames=4, image_size=SIZE, mirror=0.5)
    pairs = [(mirrored[k], plain[k]) for k in range(len(plain))]
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in pairs)
    assert 0 < sum(torch.equal(a, b) for a, b in pairs) < len(pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [road]\n", r"data\.yaml is not a dataset yaml: it names none of train, val, test"),
        ("val: a.mp4\n", r"data\.yaml has no train; it has val"),
        ("path: .\ntrain:\n- a.mp4\n- b.mp4\n", r"data\.yaml:4: train names .*b\.mp4, which does not exist"),
        ("train: [a.mp4, 3]\n", r"data\.yaml:1: train must be a path or a list of paths, got '3'"),
        ("train: a.mp4\nfps: fast\n", r"data\.yaml:2: fps must be a positive number .*, got 'fast'"),
        ("train: list.txt\n", r"list\.txt:2: drive/99\.png is neither an image nor a video"),
        ("train: empty.mp4\n", r"data\.yaml:1: train: cannot read .*empty\.mp4"),
        ("train: [a.mp4, drive]\n", r"data\.yaml:1: train: .*drive has 12 frames, a window takes 16: leave it out"),
        ("train: val.txt\n", r"val\.txt:1-6: .*drive has 6 frames, a window takes 16"),
    ],
)
def test_what_a_yaml_cannot_give_is_named_with_its_line(dataset, text, message):
    (dataset.parent / "list.txt").write_text("drive/1.png\ndrive/99.png\n")
    (dataset.parent / "empty.mp4").write_bytes(b"")
    dataset.write_text(text)
    with pytest.raises(ValueError, match=message):
        Clips(open_clips(dataset), num_frames=16, image_size=SIZE)


def test_an_unreadable_frame_is_named_with_what_lists_it(dataset):
    (dataset.parent / "drive" / "5.png").write_bytes(b"broken")
    clips = Clips(open_clips(dataset, "val"), num_frames=2, image_size=SIZE)
    assert len(clips[0]) == 2
    with pytest.raises(ValueError, match=r"val\.txt:1-6: .*image .*5\.png is damaged"):
        clips[2]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the Udacity images in ../shared/data")
def test_the_udacity_simulators_frames_as_clips(tmp_path):
    images = sorted((SHARED_DATA / "udacity_sim_track" / "IMG").glob("center_*.jpg"))[100:140]
    (tmp_path / "train.txt").write_text("".join(f"{image}\n" for image in images))
    (tmp_path / "data.yaml").write_text("train: train.txt\nfps: 14.1\n")
    sources = open_clips(tmp_path / "data.yaml")
    clips = Clips(sources, num_frames=16, image_size=(64, 64), stride=8)
    assert len(clips) == 4
    assert clips[0].shape == (16, 3, 64, 64)
    assert -1 <= clips[0].min() < clips[0].max() <= 1
    torch.testing.assert_close(clips[0][8:], clips[1][:8])
    assert len(Clips(sources, num_frames=10, image_size=(64, 64), fps=4.7)) == 5  # every third one
    squared = cv2.cvtColor(cv2.imread(str(images[0])), cv2.COLOR_BGR2RGB)[:, 80:240]  # 160 x 320 about the middle
    shrunk = cv2.resize(squared, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(frames_to_uint8(clips[0][0]).numpy().astype(int) - shrunk).max() == 0
