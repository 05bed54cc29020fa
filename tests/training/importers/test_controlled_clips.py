"""Windows of drives with their controls: videos with tables, our own recordings, and what cannot be read."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from random_rollouts import SIZE, random_rows, smooth_frames
from recordings import numbers, picture
from steered_clips import steered_bar, write_steered_videos

from training.data.augment import AugmentConfig
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource
from training.data.video_io import encode_video
from training.importers.controlled_clips import ControlledClips
from training.importers.importer import DriveOptions, SourceHints
from worldsim.networks.vae3d import frames_to_uint8


@pytest.fixture
def videos(tmp_path):
    write_steered_videos(tmp_path / "drives", num=2, num_frames=12)
    return tmp_path / "drives"


def test_windows_are_the_frames_with_their_controls(videos):
    clips = ControlledClips(videos, 8, (32, 32), stride=2)
    assert len(clips) == 6
    rng = np.random.default_rng(0)
    for drive in range(2):
        frames, controls = steered_bar(12, rng)
        for k in range(3):
            item = clips[3 * drive + k]
            assert item["frames"].dtype == torch.float32
            made = frames_to_uint8(item["frames"]).numpy().astype(int)
            assert np.abs(made - frames[2 * k : 2 * k + 8]).mean() < 6  # as far as the video tells
            np.testing.assert_allclose(item["controls"], controls[2 * k : 2 * k + 8], atol=1e-6)


def test_fewer_frames_a_second_average_the_controls(videos):
    clips = ControlledClips(videos, 6, (32, 32), fps=5)
    _, controls = steered_bar(12, np.random.default_rng(0))
    np.testing.assert_allclose(clips[0]["controls"], controls.reshape(6, 2, 4).mean(1), atol=1e-6)


def test_our_own_recordings_are_read(tmp_path):
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path, SIZE, 10, ["good", "bad"])
    controls = np.stack([rng.uniform(-1, 1, 17), *rng.uniform(0, 1, (2, 17)), np.zeros(17)], axis=1).astype(np.float32)
    frames = smooth_frames(17, rng)
    rows = replace(random_rows(17, rng), controls=controls, vehicles=np.zeros((17, 6)))
    writer.write(0, frames, rows, EpisodeSource(seed=0, town=0))
    writer.seal()
    clips = ControlledClips(tmp_path, 16, SIZE)
    assert len(clips) == 2
    np.testing.assert_allclose(clips[1]["controls"], controls[1:], atol=1e-4)
    made = frames_to_uint8(clips[1]["frames"]).numpy().astype(int)
    assert np.abs(made - frames[1:]).mean() < 4


def test_a_mirrored_window_steers_the_other_way(videos):
    plain = ControlledClips(videos, 8, (32, 32))
    mirrored = ControlledClips(
        videos, 8, (32, 32), augmentation=AugmentConfig(mirror=1.0, brightness=0.0, contrast=0.0, saturation=0.0)
    )
    assert torch.equal(mirrored[0]["frames"], plain[0]["frames"].flip(-1))
    assert torch.equal(mirrored[0]["controls"][:, 0], -plain[0]["controls"][:, 0])
    assert torch.equal(mirrored[0]["controls"][:, 1:], plain[0]["controls"][:, 1:])


def test_each_pass_is_augmented_in_its_own_way(videos):
    clips = ControlledClips(videos, 8, (32, 32), augmentation=AugmentConfig())
    first, again = clips[0]["frames"], clips[0]["frames"]
    clips.epoch = 1
    assert torch.equal(first, again)
    assert not torch.equal(clips[0]["frames"], first)


def test_a_drive_without_a_table_is_named_unless_no_controls_are_wanted(videos):
    (videos / "drive_01.csv").unlink()
    with pytest.raises(ValueError, match=r"drives: drive_01 has no controls: put drive_01\.csv beside it"):
        ControlledClips(videos, 8, (32, 32))
    clips = ControlledClips(videos, 8, (32, 32), with_controls=False)
    assert len(clips) == 10
    assert "controls" not in clips[0]


def test_frames_whose_controls_are_unknown_are_in_no_window(videos):
    table = (videos / "drive_00.csv").read_text().splitlines()
    (videos / "drive_00.csv").write_text("\n".join(table[:9]) + "\n")  # tells of 8 of 12 frames
    clips = ControlledClips(videos, 8, (32, 32))
    first_drive = [k for d, k in clips._windows if d == 0]
    assert first_drive[0] == 0
    assert len(first_drive) < 5


def test_a_control_that_is_unknown_after_a_gap_is_not_taken_for_0(videos):
    """The camera was away for a second, and the steering stayed away."""
    header, *rows = (videos / "drive_00.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    later = [f"{float(time) + 1},,{throttle}" for time, _, throttle in cells[6:]]
    (videos / "drive_00.csv").write_text("\n".join([header, *rows[:6], *later]) + "\n")
    (videos / "drive_01.mp4").unlink()
    with pytest.warns(UserWarning, match="the table is believed"):
        clips, seen = (ControlledClips(videos, 4, (32, 32), with_controls=controls) for controls in (True, False))
    assert [k for _, k in seen._windows] == [0, 1, 2] * 2
    assert {d for d, _ in clips._windows} == {0}


def test_images_without_times_need_a_rate(tmp_path):
    folder = tmp_path / "drives" / "one"
    folder.mkdir(parents=True)
    for k in range(12):
        cv2.imwrite(str(folder / f"{k}.png"), picture(k)[..., ::-1])
    (folder / "controls.csv").write_text("steering\n" + "0.5\n" * 12)
    with pytest.raises(ValueError, match=r"drives/one were taken; give source_fps"):
        ControlledClips(tmp_path / "drives", 4, (40, 80))
    clips = ControlledClips(tmp_path / "drives", 4, (40, 80), hints=SourceHints(drive=DriveOptions(source_fps=10)))
    assert numbers(frames_to_uint8(clips[3]["frames"]).numpy()).tolist() == [3, 4, 5, 6]


def test_what_cannot_be_read_is_named(videos, tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        ControlledClips(tmp_path / "nowhere", 8, (32, 32))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds neither videos nor folders of images"):
        ControlledClips(tmp_path / "empty", 8, (32, 32))
    with pytest.raises(ValueError, match=r"has no 13 consecutive frames whose controls are known at 10 a second; the"):
        ControlledClips(videos, 13, (32, 32))
    with pytest.raises(ValueError, match="num_frames and stride must be at least 1, got 0, 1"):
        ControlledClips(videos, 0, (32, 32))
    table = videos / "drive_01.csv"
    table.write_text(table.read_text().replace("0.5\n", "1.5\n", 1))
    with pytest.raises(ValueError, match=r"drive_01\.csv:2: throttle is 1\.5, outside \[0, 1\]"):
        ControlledClips(videos, 8, (32, 32))


def test_a_damaged_frame_is_named_when_it_is_read(tmp_path):
    encode_video(tmp_path / "drive.mp4", np.zeros((12, 32, 32, 3), np.uint8), 10)
    (tmp_path / "drive.csv").write_text("steering\n" + "0\n" * 12)
    clips = ControlledClips(tmp_path, 8, (32, 32))
    (tmp_path / "drive.mp4").write_bytes(b"gone")
    with pytest.raises(ValueError, match=r"drive: cannot decode .*drive\.mp4"):
        clips[0]
