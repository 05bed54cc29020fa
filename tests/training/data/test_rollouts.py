"""Rollout datasets: round trip, whole episodes only, errors that name the damaged file, LeRobot's numbering."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from random_rollouts import SIZE, random_rows, smooth_frames

from training.data import lerobot_layout as layout
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.data.video_io import VideoConfig, decode_video, encode_video

TASKS = ("good", "bad")


@pytest.fixture
def written(tmp_path):
    """A writer and what it was given for episodes 1 and 0, written in that order."""
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path, SIZE, 10, TASKS)
    episodes = {index: (smooth_frames(length, rng), random_rows(length, rng)) for index, length in ((1, 23), (0, 17))}
    for index, (frames, rows) in episodes.items():
        writer.write(index, frames, rows, EpisodeSource(seed=index + 100, town=index + 7))
    return writer, episodes


def test_round_trip_is_exact_but_for_video_compression(written):
    writer, episodes = written
    dataset = RolloutDataset(writer.root)
    assert dataset.indices == [0, 1]
    assert dataset.lengths.tolist() == [17, 23]
    assert dataset.tasks == TASKS
    for episode in (dataset[0], dataset[1]):
        frames, rows = episodes[episode.index]
        assert episode.source == EpisodeSource(seed=episode.index + 100, town=episode.index + 7)
        assert episode.rows.scenes == rows.scenes
        for name in ("controls", "vehicles", "collision", "off_road", "wrong_way", "red_light", "progress", "tasks"):
            written_values, read = getattr(rows, name), getattr(episode.rows, name)
            assert read.dtype == written_values.dtype, name
            np.testing.assert_array_equal(read, written_values, err_msg=name)
        error = episode.frames.astype(float) - frames
        assert 10 * np.log10(255**2 / (error**2).mean()) > 38  # [dB]


def test_a_window_is_the_same_frames_as_the_whole_video(written):
    episode = RolloutDataset(written[0].root)[1]
    for start, stop in ((0, 1), (9, 12), (13, 23), (22, 23)):
        np.testing.assert_array_equal(episode.window(start, stop), episode.frames[start:stop])
    with pytest.raises(ValueError, match="leaves episode 1"):
        episode.window(20, 24)


def test_full_colour_resolution_is_worth_its_bytes(tmp_path):
    stripes = np.zeros((5, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = (220, 30, 30)
    stripes[:, :, 1::2] = (30, 30, 220)
    errors = {}
    for pixel_format in ("yuv420p", "yuv444p"):
        path = tmp_path / f"{pixel_format}.mp4"
        encode_video(path, stripes, 10, VideoConfig(pixel_format=pixel_format))
        errors[pixel_format] = np.abs(decode_video(path, 0, 5).astype(float) - stripes).mean()
    assert errors["yuv444p"] < 6 < errors["yuv420p"]


def test_videos_are_encoded_without_what_makes_their_bytes_vary(tmp_path):
    path = tmp_path / "video.mp4"
    encode_video(path, smooth_frames(5, np.random.default_rng(0)), 10)
    settings = path.read_bytes()  # x264 writes its settings into the stream
    assert b"threads=1 " in settings
    assert b"mbtree=0 " in settings  # see findings/x264-not-deterministic.sh


def test_an_unfinished_episode_is_not_there(written):
    root = written[0].root
    (root / "meta/episodes/chunk-000/file-001.parquet").unlink()  # written last: a crash leaves this state
    assert RolloutDataset(root).indices == [0]
    assert not written[0].has(1)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [(k, d) for k in ("videos", "data", "meta/episodes") for d in ("truncated", "altered", "missing")][:-1],
)  # without its row in meta/episodes an episode does not exist
def test_a_damaged_file_is_named(written, kind, damage):
    path = next((written[0].root / kind).rglob("file-001.*"))
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        at = len(content) // 3 if kind == "videos" else 40
        content[at : at + 8] = bytes(255 - b for b in content[at : at + 8])
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(ValueError, match=rf"{kind}.*file-001"):
        _ = RolloutDataset(written[0].root)[1].frames


@pytest.mark.parametrize(
    ("entry", "value", "named"),
    [
        ("fps", None, "fps must be a positive number, got None"),
        ("fps", float("nan"), "fps must be a positive number, got nan"),
        ("features", {}, "must have a shape of 3 numbers, got None"),
        ("codebase_version", None, "codebase_version must be a text, got None"),
    ],
)
def test_an_entry_of_info_json_that_cannot_be_is_named(written, entry, value, named):
    path = written[0].root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: value}))
    with pytest.raises(ValueError, match=rf"info\.json.*{named}"):
        RolloutDataset(written[0].root)


@pytest.mark.parametrize("name", ["action", "observation.state", "progress"])
def test_a_row_that_is_no_number_and_a_missing_column_are_named(written, name):
    root = written[0].root
    path = next((root / "data").rglob("file-001.*"))
    table = pq.read_table(path)
    values = layout.array(table, name, (-1,)).astype(np.float32)
    values[5, 0] = np.nan
    values = values[:, 0] if values.shape[1] == 1 else values
    at = table.column_names.index(name)
    layout.write_table(path, table.set_column(at, name, layout.column(values)))
    with pytest.raises(ValueError, match=rf"file-001.*{name} is not finite in row 5"):
        _ = RolloutDataset(root)[1]
    layout.write_table(path, table.drop_columns([name]))
    with pytest.raises(ValueError, match=rf"file-001.* has no column {name}"):
        _ = RolloutDataset(root)[1]


def test_sealing_numbers_all_rows_and_survives_repetition(written):
    writer, episodes = written
    writer.seal()
    writer.write(2, *episodes[0], EpisodeSource(seed=1, town=1))
    writer.seal()
    info = json.loads((writer.root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"]) == ("v3.0", 3, 57)
    index = [pq.read_table(p)["index"].to_pylist() for p in sorted((writer.root / "data").rglob("*.parquet"))]
    assert np.concatenate(index).tolist() == list(range(57))
    rows = [pq.read_table(p).to_pylist()[0] for p in sorted((writer.root / "meta/episodes").rglob("*.parquet"))]
    assert [(r["dataset_from_index"], r["dataset_to_index"]) for r in rows] == [(0, 17), (17, 40), (40, 57)]
    for row in rows:
        path = info["video_path"].format(
            video_key="observation.images.front",
            chunk_index=row["videos/observation.images.front/chunk_index"],
            file_index=row["videos/observation.images.front/file_index"],
        )
        assert (writer.root / path).exists()
    stats = json.loads((writer.root / "meta/stats.json").read_text())
    everything = np.concatenate([episodes[k][1].controls for k in (0, 1, 0)])
    np.testing.assert_allclose(stats["action"]["mean"], everything.mean(0), atol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], everything.std(0), atol=1e-6)
    assert np.shape(stats["observation.images.front"]["mean"]) == (3, 1, 1)
    assert RolloutDataset(writer.root)[1].rows.scenes == episodes[1][1].scenes


def test_every_column_is_declared_with_its_type_and_size(written):
    writer, _ = written
    table = pq.read_table(writer.root / "data/chunk-000/file-000.parquet")
    declared = {name: f for name, f in writer.features.items() if f["dtype"] != "video"}
    assert set(table.column_names) == set(declared)
    arrow_names = {"float32": "float", "float64": "double"}
    for name, feature in declared.items():
        kind, size = table.schema.field(name).type, feature["shape"][0]
        value, length = (kind.value_type, kind.list_size) if hasattr(kind, "list_size") else (kind, 1)
        assert (str(value), length) == (arrow_names.get(feature["dtype"], feature["dtype"]), size), name


def test_sealing_refuses_gaps(written):
    writer, episodes = written
    writer.write(5, *episodes[0], EpisodeSource(seed=1, town=1))
    with pytest.raises(ValueError, match=r"episodes \[2, 3, 4\] are missing"):
        writer.seal()


def test_another_kind_of_dataset_is_refused(written):
    with pytest.raises(ValueError, match=r"other features \(observation\.images\.front\)"):
        RolloutWriter(written[0].root, (64, 64), 10, TASKS)
    with pytest.raises(ValueError, match="of 10 frames/s, not 20"):
        RolloutWriter(written[0].root, SIZE, 20, TASKS)
    with pytest.raises(ValueError, match="tasks"):
        RolloutWriter(written[0].root, SIZE, 10, ("good",))
    with pytest.raises(ValueError, match=r"meta/info\.json"):
        RolloutDataset(written[0].root / "nowhere")


def test_a_recording_from_before_signals_is_read_as_not_knowing_them_and_says_so(written):
    root = written[0].root
    info = json.loads((root / "meta/info.json").read_text())
    new = ("scene.signal", "scene.signal_distance", "scene.signal_valid", "red_light", "stop_sign_missed")
    info["features"] = {name: f for name, f in info["features"].items() if name not in new}
    (root / "meta/info.json").write_text(json.dumps(info))
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.select([name for name in table.column_names if name not in new]), path)
    with pytest.warns(UserWarning, match="recorded before lights and signs were"):
        dataset = RolloutDataset(root)
    scenes = dataset[0].rows.scenes
    assert scenes.signal_valid.shape == (17,)
    assert not scenes.signal_valid.any()
    assert not (dataset[0].rows.red_light | dataset[0].rows.stop_sign_missed).any()
    np.testing.assert_array_equal(scenes.ego, written[1][0][1].scenes.ego)
