"""Importers: each layout against what was written in it, errors that name the place, imports that resume."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recordings import CarlaLog, picture, write_comma2k19, write_udacity, write_video

from drivedit import main
from training import layout
from training.importers.carla_log import read_carla_log
from training.importers.convert import ImportConfig, coverage, detect_format, import_recordings
from training.importers.drives import DriveOptions, read_drive
from training.importers.media import VideoFile, fit_image, images_in
from training.importers.resample import ResampleConfig
from training.importers.tables import read_states, read_table
from training.rollouts import EpisodeSource, RolloutDataset, RolloutWriter
from worldsim.scene import ObjectKind


def imported(source: Path, out: Path, **options) -> RolloutDataset:
    """The only dataset of an import into images of 16 by 32 px."""
    (dataset,) = import_recordings(ImportConfig(source=source, out=out, frame_size=(16, 32), **options))
    return dataset


def numbers(frames: np.ndarray) -> np.ndarray:
    """The numbers that pictures [t, h, w, 3] tell, [t]."""
    return np.rint(np.median(frames[..., 0], axis=(1, 2)) / 4).astype(int)


def known(dataset: RolloutDataset) -> set[str]:
    """What is known in every row."""
    rows = dataset[0].rows
    return {name for name in layout.VALID_NAMES if rows.is_valid(name).all()}


def test_udacity(tmp_path):
    times = write_udacity(tmp_path / "track")
    dataset = imported(tmp_path / "track", tmp_path / "out")
    (episode,) = dataset
    assert known(dataset) == {"frame", "steer", "throttle", "brake", "speed", "acceleration", "steer_angle"}
    assert len(episode) == 42
    nearest = np.abs(times[None] - np.arange(42)[:, None] / 10).argmin(1)
    assert np.abs(numbers(episode.frames) - nearest).max() <= 1
    rows = episode.rows
    np.testing.assert_allclose(rows.controls, [[-0.5, 0.25, 0, 0]] * 42, atol=1e-6)  # positive right there
    np.testing.assert_allclose(rows.vehicles[:, 5], -0.5 * np.radians(25))
    np.testing.assert_allclose(rows.vehicles[0, 3], 10 * 0.44704)
    assert not rows.vehicles[:, :3].any()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.5,0.25,0,10.03", "0.5,fast,0,10.03", r"driving_log\.csv:4: throttle is 'fast', not a finite number"),
        ("0.5,0.25,0,10.03", "0.5,0.25,0,", r"driving_log\.csv:4: speed is empty"),
        ("0.5,0.25,0,10.03", "1.5,0.25,0,10.03", r"driving_log\.csv:4: steer is -1\.5, outside \[-1, 1\]"),
        ("0.5,0.25,0,10.03", "0.5,0.25", r"driving_log\.csv:4: the 7 columns are .*; 5 found"),
        ("43_971", "43_911", r"driving_log\.csv:2: image center_2018_07_16_17_11_43_911\.jpg is not in .*IMG"),
    ],
)
def test_udacity_errors_name_file_line_and_value(tmp_path, old, new, message):
    write_udacity(tmp_path, num=6)
    path = tmp_path / "driving_log.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        imported(tmp_path, tmp_path / "out")


def test_udacity_times_must_rise(tmp_path):
    write_udacity(tmp_path, num=6)
    path = tmp_path / "driving_log.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[1], *lines[3:]]))
    with pytest.raises(ValueError, match=r"driving_log\.csv:4: time must rise"):
        imported(tmp_path, tmp_path / "out")


def test_comma2k19(tmp_path):
    write_comma2k19(tmp_path / "segment")
    dataset = imported(tmp_path / "segment", tmp_path / "out", steering_ratio=15.0, max_steer_angle=0.5)
    rows = dataset[0].rows
    assert known(dataset) == {"steer", "x", "y", "yaw", "speed", "acceleration", "steer_angle"}
    np.testing.assert_allclose(rows.vehicles[:, 2], 0.7, atol=1e-6)
    np.testing.assert_allclose(rows.vehicles[-1, :2], 20.0 * 4.9 * np.array([np.cos(0.7), np.sin(0.7)]), atol=1e-3)
    np.testing.assert_allclose(rows.vehicles[:, 3], 20.0)
    np.testing.assert_allclose(rows.vehicles[:, 5], np.radians(2.0))
    np.testing.assert_allclose(rows.controls[:, 0], np.radians(2.0) / 0.5, atol=1e-6)
    without = imported(tmp_path / "segment", tmp_path / "again")
    assert known(without) == {"x", "y", "yaw", "speed", "acceleration"}
    (tmp_path / "segment/processed_log/CAN/speed/value").write_bytes(b"gone")
    with pytest.raises(ValueError, match=r"cannot read .*speed.value"):
        imported(tmp_path / "segment", tmp_path / "third")


def test_carla_log(tmp_path):
    (tmp_path / "drive.log").write_bytes(CarlaLog().bytes)
    dataset = imported(tmp_path / "drive.log", tmp_path / "out")
    rows = dataset[0].rows
    assert known(dataset) == {*layout.VALID_NAMES[1:10], "objects"}
    np.testing.assert_allclose(rows.controls[0], [-0.25, 0.5, 0, 0])
    np.testing.assert_allclose(rows.vehicles[10, :4], [10 + 6 + 0.1, -20, 0, 6], atol=1e-4)  # box centre 0.1 m ahead
    kinds = rows.scenes.object_kinds
    assert (kinds[:, 0] == ObjectKind.PEDESTRIAN).all()
    assert not kinds[:, 1:].any()  # dirt on the road is nothing to run into
    np.testing.assert_allclose(rows.scenes.objects[5, 0], [9.9, -3, -np.pi / 2, 0, 0.4, 0.6], atol=1e-3)
    assert np.flatnonzero(rows.collision).tolist() == [20]
    assert np.flatnonzero(rows.is_valid("collision"))[0] == 10
    assert not dataset[0].rows.is_valid("frame").any()
    assert dataset[0].frames.max() < 8


def test_carla_log_that_was_cut_or_is_none(tmp_path):
    path = tmp_path / "drive.log"
    content = CarlaLog().bytes
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.warns(UserWarning, match=r"drive\.log was cut at byte \d+"):
        assert 1.7 < read_carla_log(path).clock[-1] < 2.0
    path.write_bytes(b"\x01\x00\x05\x00hello and some more")
    with pytest.raises(ValueError, match=r"drive\.log is not a CARLA recorder log"):
        read_carla_log(path)
    path.write_bytes(CarlaLog(role="autopilot").bytes)
    with pytest.raises(
        ValueError, match=r"no vehicle hero or ego_vehicle; vehicles: 7 vehicle\.tesla\.model3 \(autopi"
    ):
        read_carla_log(path)
    assert "steer" in read_carla_log(path, ego="7").signals
    damaged = content.replace(b"\x06\x56\x00\x00\x00\x03\x00", b"\x06\x56\x00\x00\x00\x09\x00", 1)
    assert damaged != content
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"drive\.log is damaged: packet 6 runs past its end"):
        read_carla_log(path)


def test_video_with_a_table_of_its_frames(tmp_path):
    write_video(tmp_path / "drive.mp4", 50)
    rows = [f"{k * 0.05:.2f},{-0.3},{36 + k}" for k in range(50)]
    (tmp_path / "drive.csv").write_text("time_s,steering,speed_kmh\n" + "\n".join(rows))
    dataset = imported(tmp_path / "drive.mp4", tmp_path / "out", drive=DriveOptions(left_handed=True))
    assert known(dataset) == {"frame", "steer", "speed", "acceleration"}
    assert numbers(dataset[0].frames).tolist() == list(range(0, 50, 2))
    np.testing.assert_allclose(dataset[0].rows.controls[:, 0], 0.3, atol=1e-6)
    np.testing.assert_allclose(dataset[0].rows.vehicles[:, 3], (36 + np.arange(0, 50, 2)) / 3.6)


def test_videos_without_times_and_windows_amid_a_video(tmp_path):
    write_video(tmp_path / "raw.h264", 40, container_format="h264")
    with pytest.raises(ValueError, match=r"raw\.h264 does not tell when"):
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
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for k in range(30):
        cv2.imwrite(str(folder / f"frame{k}.png"), picture(k)[..., ::-1])
    assert [p.stem for p in images_in(folder)][9:11] == ["frame9", "frame10"]
    with pytest.raises(ValueError, match=r"nothing tells when the frames of .*frames were taken; give source_fps"):
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
        ("t,speed\n0,1\n,2\n", {}, r"s\.csv:3: there is no time"),
        ("t,speed\n0,1\n0.1\n", {}, r"s\.csv:3: 2 columns expected, 1 found"),
        ("t,v\n0,1\n", {}, r"s\.csv:1: none of the columns t, v is known"),
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


def test_yolo_yaml(tmp_path):
    import cv2

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
    (tmp_path / "val.txt").write_text("\nimages/nowhere.jpg\n")
    with pytest.raises(ValueError, match=r"val\.txt:2: images/nowhere\.jpg is no image or video"):
        import_recordings(options)
    path.write_text("train: [1, 2\n")
    with pytest.raises(ValueError, match=r"data\.yaml:2: expected ',' or '\]'"):
        import_recordings(options)


def write_lerobot(root: Path) -> None:
    """A dataset as LeRobot writes it: two episodes of 30 and 20 frames at 20 Hz in one parquet and one video file."""
    lengths = (30, 20)
    episode = np.repeat([0, 1], lengths)
    frame = np.concatenate([np.arange(n) for n in lengths])
    action = np.stack([0.1 * episode, np.full(50, 0.5), np.zeros(50)], -1).astype(np.float32)
    columns = {
        "action": layout.column(action),
        "observation.state.vehicle": layout.column(np.stack([np.arange(50.0), episode], -1)),
        "timestamp": layout.column((frame / 20).astype(np.float32)),
        "episode_index": layout.column(episode),
    }
    names = {"axes": ["steering_normalized", "gas_pedal_normalized", "brake_pedal_normalized"]}
    features = {
        "observation.images.front": {"dtype": "video", "shape": [40, 80, 3], "names": None},
        "action": {"dtype": "float32", "shape": [3], "names": names},
        "observation.state.vehicle": {"dtype": "float64", "shape": [2], "names": ["v", "lane_number"]},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    }
    info = {"codebase_version": "v3.0", "fps": 20, "features": features}
    info |= {"data_path": layout.DATA_PATH, "video_path": layout.VIDEO_PATH}
    layout.write_json(root / layout.INFO_PATH, info)
    path = root / layout.DATA_PATH.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)
    video = root / layout.VIDEO_PATH.format(video_key=layout.VIDEO_KEY, chunk_index=0, file_index=0)
    video.parent.mkdir(parents=True)
    write_video(video, 50)
    rows = [layout.episode_row(k, n, 20, ["drive"]) for k, n in enumerate(lengths)]
    for row, start, stop in zip(rows, (0.0, 1.5), (1.5, 2.5), strict=True):
        row |= {f"{prefix}/file_index": 0 for prefix in ("data", f"videos/{layout.VIDEO_KEY}")}
        row |= {f"videos/{layout.VIDEO_KEY}/from_timestamp": start, f"videos/{layout.VIDEO_KEY}/to_timestamp": stop}
        row["stats/action/mean"] = [0.0]
    layout.write_table(root / layout.EPISODES_PATH.format(chunk_index=0, file_index=0), pa.Table.from_pylist(rows))


def test_lerobot_dataset_made_elsewhere(tmp_path):
    write_lerobot(tmp_path / "theirs")
    options = DriveOptions(columns=("speed=observation.state.vehicle.v:kmh",))
    resample = ResampleConfig(min_seconds=0.5)
    dataset = imported(tmp_path / "theirs", tmp_path / "out", drive=options, resample=resample)
    assert known(dataset) == {"frame", "steer", "throttle", "brake", "speed", "acceleration"}
    assert [numbers(episode.frames).tolist() for episode in dataset] == [list(range(0, 30, 2)), list(range(30, 50, 2))]
    np.testing.assert_allclose(dataset[1].rows.controls, [[0.1, 0.5, 0, 0]] * 10, atol=1e-6)
    np.testing.assert_allclose(dataset[1].rows.vehicles[:, 3], np.arange(30, 50, 2) / 3.6)
    with pytest.raises(ValueError, match=r"has no video .rear.; it has observation\.images\.front"):
        imported(tmp_path / "theirs", tmp_path / "x", camera="rear")


def test_our_own_dataset_is_one_made_elsewhere_too(tmp_path):
    write_udacity(tmp_path / "track")
    ours = imported(tmp_path / "track", tmp_path / "ours")
    again = imported(tmp_path / "ours", tmp_path / "again")
    before, after = ours[0].rows, again[0].rows
    np.testing.assert_allclose(after.controls, before.controls, atol=1e-6)
    np.testing.assert_allclose(after.vehicles[:, 3:], before.vehicles[:, 3:], atol=1e-6)
    assert np.abs(ours[0].frames.astype(int) - again[0].frames).mean() < 3


def test_an_interrupted_import_resumes_and_equals_an_undisturbed_one(tmp_path, monkeypatch):
    write_udacity(tmp_path / "track", num=110)
    resample = ResampleConfig(seconds_per_episode=2.0)
    whole = imported(tmp_path / "track", tmp_path / "whole", resample=resample)
    assert len(whole) == 4
    write, written = RolloutWriter.write, []

    def failing(self, index, frames, rows, source):
        if index == 2 and not written.count(2):
            written.append(2)
            (self.root / "videos/.file-002.mp4.1.tmp").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(index)
        write(self, index, frames, rows, source)

    monkeypatch.setattr(RolloutWriter, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path / "track", tmp_path / "out", resample=resample)
    assert RolloutDataset(tmp_path / "out").indices == [0, 1]
    resumed = imported(tmp_path / "track", tmp_path / "out", resample=resample)
    assert written == [0, 1, 2, 2, 3]
    files = {p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    for name in files:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert coverage(resumed) == coverage(whole)


def test_other_imports_and_recordings_are_refused(tmp_path):
    write_udacity(tmp_path / "track")
    imported(tmp_path / "track", tmp_path / "out")
    with pytest.raises(ValueError, match="out is an import with other settings"):
        imported(tmp_path / "track", tmp_path / "out", max_steer_angle=0.5)
    write_udacity(tmp_path / "longer", num=70)
    with pytest.raises(ValueError, match="out is an import with other episodes"):
        imported(tmp_path / "longer", tmp_path / "out")
    RolloutWriter(tmp_path / "recorded", (16, 32), 10, ["any"])
    with pytest.raises(ValueError, match="recorded holds a dataset that was not imported"):
        imported(tmp_path / "track", tmp_path / "recorded")
    with pytest.raises(ValueError, match="holds nothing of 30"):
        imported(tmp_path / "track", tmp_path / "x", resample=ResampleConfig(min_seconds=30.0))


def test_a_dataset_without_masks_refuses_what_is_unknown(tmp_path):
    write_udacity(tmp_path / "track")
    episode = imported(tmp_path / "track", tmp_path / "out")[0]
    writer = RolloutWriter(tmp_path / "plain", (16, 32), 10, ["any"])
    with pytest.raises(ValueError, match="episode 0 does not know reverse, x, y, yaw, objects"):
        writer.write(0, episode.frames, episode.rows, EpisodeSource(seed=0, town=-1))
    assert not writer.has(0)


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


def test_the_command_detects_formats_and_fails_in_one_line(tmp_path, capsys):
    write_udacity(tmp_path / "track", num=20)
    assert detect_format(tmp_path / "track/driving_log.csv") == "udacity"
    out = str(tmp_path / "out")
    assert main(["import", "--source", str(tmp_path / "track"), "--out", out, "--frame-size", "16", "32"]) == 0
    assert "1 episodes, 14 frames" in capsys.readouterr().out
    assert main(["import", "--source", str(tmp_path / "nowhere"), "--out", out]) == 2
    assert "nowhere is not there" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty looks like none of udacity, comma2k19"):
        detect_format(tmp_path / "empty")


RECORDINGS = os.environ.get("DRIVEDIT_RECORDINGS", "")
"""Folder with udacity_sim_track, comma2k19_segment and carla_recorder_log."""


@pytest.mark.skipif(not RECORDINGS, reason="DRIVEDIT_RECORDINGS names no folder of real recordings")
def test_real_recordings(tmp_path):
    folder = Path(RECORDINGS)
    udacity = import_recordings(ImportConfig(source=folder / "udacity_sim_track", out=tmp_path / "udacity"))[0]
    assert udacity.lengths.sum() == 1856
    assert np.median(udacity[0].rows.vehicles[:, 3]) == pytest.approx(30.19 * 0.44704, abs=0.01)  # full speed there
    comma = import_recordings(ImportConfig(source=folder / "comma2k19_segment", out=tmp_path / "comma"))[0]
    rows = comma[0].rows
    driven = np.hypot(*np.diff(rows.vehicles[:, :2], axis=0).T).sum()
    assert driven == pytest.approx(rows.vehicles[:, 3].mean() * 59.9, rel=0.01)
    along = np.arctan2(*np.diff(rows.vehicles[:, :2], axis=0).T[::-1])
    assert np.abs(np.unwrap(along) - np.unwrap(rows.vehicles[:-1, 2])).max() < np.radians(5)
    (log,) = (folder / "carla_recorder_log").glob("*.log")
    carla = import_recordings(ImportConfig(source=log, out=tmp_path / "carla"))[0]
    assert len(carla[0]) == 125
    assert carla[0].rows.is_valid("objects").all()
