"""Importers: each layout against what was written in it, errors that name the place, imports that resume."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recordings import CarlaLog, imported, known, numbers, write_comma2k19, write_udacity, write_video

from drivedit import main
from training.data import lerobot_layout as layout
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.importers.carla_log import read_carla_log
from training.importers.convert import ImportConfig, import_recordings
from training.importers.importer import DriveOptions
from training.importers.report import known_shares
from training.importers.resample import ResampleConfig
from worldsim.datatypes.scene import ObjectKind


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
    with pytest.raises(ValueError, match=r"speed.value: damaged"):
        imported(tmp_path / "segment", tmp_path / "third")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "orientations",
            lambda q: 0 * q,
            r"frame_orientations: row 0 has the length 0; right is quaternions w, x, y, z",
        ),
        ("positions", lambda p: p - p[0], r"frame_positions: row 0 has the length 0; right is earth-fixed"),
    ],
)
def test_poses_that_cannot_be_are_refused_by_name(tmp_path, name, change, message):
    write_comma2k19(tmp_path / "segment")
    path = tmp_path / f"segment/global_pose/frame_{name}"
    values = change(np.load(path))
    with path.open("wb") as file:
        np.save(file, values)
    with pytest.raises(ValueError, match=message):
        imported(tmp_path / "segment", tmp_path / "out")


def test_quaternions_in_another_order_do_not_fit_the_way(tmp_path, capsys):
    write_comma2k19(tmp_path / "segment")
    path = tmp_path / "segment/global_pose/frame_orientations"
    values = np.load(path)[:, [1, 2, 3, 0]]
    with path.open("wb") as file:
        np.save(file, values)
    imported(tmp_path / "segment", tmp_path / "out")
    out = capsys.readouterr().out
    assert "yaw           global_pose/frame_orientations [quaternions w, x, y, z]" in out
    assert "look at this: yaw (global_pose/frame_orientations) is 73° off the direction" in out


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
        row |= {
            f"videos/{layout.VIDEO_KEY}/from_timestamp": start,
            f"videos/{layout.VIDEO_KEY}/to_timestamp": stop,
        }
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
    with pytest.raises(ValueError, match=r"has no camera .rear.; it has observation\.images\.front"):
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
            (self.root / "videos/.file-002.mp4.4000001.tmp").write_bytes(b"half")
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
    assert known_shares(resumed) == known_shares(whole)


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
    with pytest.raises(ValueError, match="holds no 30"):
        imported(tmp_path / "track", tmp_path / "x", resample=ResampleConfig(min_seconds=30.0))


def test_a_dataset_without_masks_refuses_what_is_unknown(tmp_path):
    write_udacity(tmp_path / "track")
    episode = imported(tmp_path / "track", tmp_path / "out")[0]
    writer = RolloutWriter(tmp_path / "plain", (16, 32), 10, ["any"])
    with pytest.raises(ValueError, match="episode 0 does not know reverse, x, y, yaw, objects"):
        writer.write(0, episode.frames, episode.rows, EpisodeSource(seed=0, town=-1))
    assert not writer.has(0)


def test_the_command_recognises_the_format_and_fails_in_one_line(tmp_path, capsys):
    write_udacity(tmp_path / "track", num=20)
    out = str(tmp_path / "out")
    assert main(["import", "--source", str(tmp_path / "track"), "--out", out, "--frame-size", "16", "32"]) == 0
    assert "1 episodes, 14 frames" in capsys.readouterr().out
    assert main(["import", "--source", str(tmp_path / "nowhere"), "--out", out]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["import", "--source", str(tmp_path / "empty"), "--out", out]) == 2
    assert "the format of" in capsys.readouterr().err


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
