"""Videos, folders of images and controls tables: the right frame beside the right row, errors that name the place."""

import cv2
import numpy as np
import pytest
from recordings import imported, known, numbers, picture, write_video

from training.data.images import fit_image, images_in
from training.data.video_file import VideoFile
from training.importers.convert import ImportConfig, import_recordings
from training.importers.importer import DriveOptions
from training.importers.resample import ResampleConfig
from training.importers.tables import read_states, read_table
from training.importers.video_with_table import read_drive
from training.importers.yolo import read_yolo


def test_video_with_a_table_of_its_frames(tmp_path):
    write_video(tmp_path / "drive.mp4", 50)
    rows = [f"{k * 0.05:.2f},{-0.3},{36 + k}" for k in range(50)]
    (tmp_path / "drive.csv").write_text("time_s,steering,speed_kmh\n" + "\n".join(rows))
    dataset = imported(tmp_path / "drive.mp4", tmp_path / "out", drive=DriveOptions(left_handed=True))
    assert known(dataset) == {"frame", "steer", "speed", "acceleration"}
    assert numbers(dataset[0].frames).tolist() == list(range(0, 50, 2))
    np.testing.assert_allclose(dataset[0].rows.controls[:, 0], 0.3, atol=1e-6)
    np.testing.assert_allclose(dataset[0].rows.vehicles[:, 3], (36 + np.arange(0, 50, 2)) / 3.6)
    options = {"drive": DriveOptions(left_handed=True), "max_steer_angle": 0.5}
    steered = imported(tmp_path / "drive.mp4", tmp_path / "steered", **options)
    assert known(steered) == {"frame", "steer", "speed", "acceleration", "steer_angle"}
    np.testing.assert_allclose(steered[0].rows.vehicles[:, 5], 0.15, atol=1e-6)


def test_videos_without_times_and_windows_amid_a_video(tmp_path):
    write_video(tmp_path / "raw.h264", 40, container_format="h264")
    with pytest.raises(ValueError, match=r"raw\.h264 does not say when"):
        VideoFile(tmp_path / "raw.h264")
    video = VideoFile(tmp_path / "raw.h264", np.arange(40) / 20)
    assert numbers(np.stack(list(video.read([3, 17, 17, 39])))).tolist() == [3, 17, 17, 39]
    write_video(tmp_path / "two.mp4", 40)
    second = VideoFile(tmp_path / "two.mp4", start=1.0, stop=1.5)
    np.testing.assert_allclose(second.times, np.arange(10) / 20, atol=1e-6)
    assert numbers(np.stack(list(second.read([0, 4, 9])))).tolist() == [20, 24, 29]
    content = (tmp_path / "raw.h264").read_bytes()
    (tmp_path / "raw.h264").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"raw\.h264"):
        list(video.read([3, 39]))


def test_folder_of_frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for k in range(30):
        cv2.imwrite(str(folder / f"frame{k}.png"), picture(k)[..., ::-1])
    assert [p.stem for p in images_in(folder)][9:11] == ["frame9", "frame10"]
    with pytest.raises(ValueError, match=r"says when the frames of .*frames were taken; give source_fps"):
        imported(folder, tmp_path / "out")
    dataset = imported(folder, tmp_path / "out", drive=DriveOptions(source_fps=10))
    assert known(dataset) == {"frame"}
    assert numbers(dataset[0].frames).tolist() == list(range(30))
    table = folder / "controls.csv"
    table.write_text("image,t,gas\n" + "\n".join(f"frame{k}.png,{k / 10},0.5" for k in range(29, -1, -1)))
    with pytest.raises(ValueError, match=r"controls\.csv:3: time must rise, 2\.8 s follows 2\.9 s"):
        read_drive(folder, DriveOptions())
    table.write_text("image,t,gas\n" + "\n".join(f"frame{k}.png,{k / 10},0.5" for k in range(5, 30)))
    recording = read_drive(folder, DriveOptions())
    assert numbers(np.stack(list(recording.images.read([0, 1])))).tolist() == [5, 6]
    table.write_text("gas\n0.5\n0.4\n")
    with pytest.raises(ValueError, match=r"controls\.csv has 2 rows for 30 frames"):
        read_drive(folder, DriveOptions(source_fps=10))
    (folder / "frame7.png").write_bytes(b"broken")
    table.unlink()
    with pytest.raises(ValueError, match=r"frame7\.png is damaged"):
        imported(folder, tmp_path / "third", drive=DriveOptions(source_fps=10))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("t,speed\n0,1\n0.1,x\n", {}, r"s\.csv:3: speed is 'x', not a finite number"),
        ("t,throttle\n0,1\n0.1,2\n", {}, r"s\.csv:3: throttle is 2, outside \[0, 1\]"),
        ("t,speed\n0,1\n,2\n", {}, r"s\.csv:3: the time is missing"),
        ("t,speed\n0,1\n0.1\n", {}, r"s\.csv:3: the 2 columns are t, speed; 1 found"),
        ("t,v\n0,1\n", {}, r"s\.csv:1: none of the columns t, v is recognised"),
        ("t,v\n0,1\n", {"assigned": ["speed=w"]}, r"s\.csv has no column 'w'; it has t, v"),
        ("t,v\n0,1\n", {"assigned": ["velo=v"]}, r"'velo=v' is not quantity=column"),
        ("t,v\n0,1\n", {"assigned": ["speed=v:knots"]}, r"unit 'knots' in 'speed=v:knots'"),
        ("t,speed,speed_kmh\n0,1,3.6\n", {}, r"'speed' and 'speed_kmh' both look like speed; assign one"),
    ],
)
def test_table_errors_name_file_line_and_value(tmp_path, text, options, message):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(path, **options)


def test_tables_have_units_and_empty_cells(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("timestamp_ms,v,heading_deg,brake,note\n0,10,90,0,a\n50,,91,1,b\n100,20,92,1,c\n")
    signals = read_states(path, ["speed=v:kmh"], left_handed=True).signals
    assert signals.keys() == {"speed", "yaw", "brake"}
    np.testing.assert_allclose(signals["speed"].times, [0, 0.1])
    np.testing.assert_allclose(signals["speed"].values, [10 / 3.6, 20 / 3.6])
    np.testing.assert_allclose(signals["yaw"].values, -np.radians([90, 91, 92]))


def test_times_of_a_table_count_from_the_first_frame_and_have_to_meet_it(tmp_path):
    write_video(tmp_path / "later.mkv", 40, container_format="matroska", first=28)
    rows = [f"{k / 50},{k / 5}" for k in range(120)]
    (tmp_path / "later.csv").write_text("time,speed\n" + "\n".join(rows))
    dataset = imported(tmp_path / "later.mkv", tmp_path / "out")
    np.testing.assert_allclose(dataset[0].rows.vehicles[:, 3], np.arange(20), atol=1e-6)  # 10 m/s each second
    assert numbers(dataset[0].frames).tolist() == list(range(0, 40, 2))
    (tmp_path / "later.csv").write_text("timestamp_ms,speed\n" + "\n".join(f"{1.7e12 + 50 * k},5" for k in range(20)))
    with pytest.raises(
        ValueError, match=r"later\.csv never meets the frames: its times are 1700000000 s to .* 0 s to 1\.95 s"
    ):
        imported(tmp_path / "later.mkv", tmp_path / "epoch")
    (tmp_path / "later.csv").write_text("time,speed\n" + "\n".join(f"{1.5 + k / 20},5" for k in range(20)))
    with pytest.warns(UserWarning, match=r"later\.csv tells of 2\d% of the frames"):
        read_drive(tmp_path / "later.mkv", DriveOptions())


def test_a_row_a_frame_at_another_pace_than_the_video_is_told(tmp_path):
    write_video(tmp_path / "drive.mp4", 30)
    (tmp_path / "drive.csv").write_text("time,speed\n" + "\n".join(f"{k / 10},5" for k in range(30)))
    with pytest.warns(UserWarning, match=r"a row a frame and says they took 2\.9 s, drive\.mp4 says 1\.45 s"):
        assert read_drive(tmp_path / "drive.mp4", DriveOptions()).clock[-1] == pytest.approx(2.9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "t,speed\n0,1\n1,2\n2,3\n",
            r"times of s are 1 s apart, a gap each; .*1 a second\? Give --resample.max-gap 1.5",
        ),
        ("t,speed\n0,1\n50,2\n100,3\n", r"times of s are 50 s apart, .*Assign time=column:ms"),
        (
            "t,speed\n0,1\n0.1,2\n0.2,3\n",
            r"holds no 1\.0 s without a gap of 0\.25 s; the longest recording takes 0\.2 s",
        ),
    ],
)
def test_why_nothing_comes_of_a_table_is_told(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        imported(tmp_path / "s.csv", tmp_path / "out")


def test_yolo_yaml(tmp_path):
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos/a.mp4", 40)
    for k in range(20):
        folder = tmp_path / f"images/drive{k // 10}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{k}.jpg"), picture(k)[..., ::-1])
    (tmp_path / "val.txt").write_text("".join(f"images/drive{k // 10}/{k}.jpg\n" for k in range(20) if k % 10 < 8))
    path = tmp_path / "data.yaml"
    path.write_text("path: .\ntrain: [videos, images]\nval: val.txt\nnames: {0: car}\n")
    options = ImportConfig(
        source=path,
        out=tmp_path / "out",
        frame_size=(16, 32),
        drive=DriveOptions(source_fps=10),
        resample=ResampleConfig(min_seconds=0.5),
    )
    train, val = import_recordings(options)
    assert (train.root, val.root) == (tmp_path / "out/train", tmp_path / "out/val")
    assert train.lengths.tolist() == [20, 10, 10]  # the video has times of its own, at 20 Hz
    assert val.lengths.tolist() == [8, 8]
    assert numbers(val[1].frames)[0] == 10
    path.write_text("train: ../videos\n")  # as Roboflow writes what lies beside its yaml
    assert [r.name for r in read_yolo(path, DriveOptions())] == ["a"]
    path.write_text("path: .\ntrain: [videos, images]\nval: val.txt\n")
    (tmp_path / "val.txt").write_text("\nimages/nowhere.jpg\n")
    with pytest.raises(ValueError, match=r"val\.txt:2: images/nowhere\.jpg is neither an image nor a video"):
        import_recordings(options)
    path.write_text("train: [1, 2\n")
    with pytest.raises(ValueError, match=r"data\.yaml:2: expected ',' or '\]'"):
        import_recordings(options)


def test_images_are_cut_about_their_middle_or_stretched():
    image = picture(10, size=(40, 80))
    cut = fit_image(image, (32, 32), "crop")
    assert cut.shape == (32, 32, 3)
    assert (cut[:, :16, 2] == 200).all()
    assert (cut[:, 16:, 2] == 0).all()
    narrow = np.zeros((40, 80, 3), np.uint8)
    narrow[:, :10] = 255
    assert fit_image(narrow, (20, 20), "crop").max() == 0
    assert fit_image(narrow, (20, 20), "stretch")[:, :2].min() == 255
