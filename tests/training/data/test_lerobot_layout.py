"""Our datasets against LeRobot's published v3 layout (lerobot 0.6.1, `datasets/utils.py`), and by its own loader."""

import json
import os
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from random_rollouts import SIZE, random_rows, smooth_frames

from training.data import lerobot_layout as layout
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.data.sensor_streams import stream_key
from training.data.video_io import decode_video

LENGTHS = (17, 23, 9)
INFO_KEYS = {
    "codebase_version", "robot_type", "total_episodes", "total_frames", "total_tasks", "chunks_size",
    "data_files_size_in_mb", "video_files_size_in_mb", "fps", "splits", "data_path", "video_path", "features",
}  # fmt: skip
EPISODE_COLUMNS = {
    "episode_index": "int64", "tasks": "list<element: string>", "length": "int64",
    "data/chunk_index": "int64", "data/file_index": "int64",
    "dataset_from_index": "int64", "dataset_to_index": "int64",
    "meta/episodes/chunk_index": "int64", "meta/episodes/file_index": "int64",
    "videos/observation.images.front/chunk_index": "int64", "videos/observation.images.front/file_index": "int64",
    "videos/observation.images.front/from_timestamp": "double",
    "videos/observation.images.front/to_timestamp": "double",
}  # fmt: skip
INDEX_FEATURES = {
    "timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64",
}  # fmt: skip


@pytest.fixture(params=[False, True], ids=["recorded", "imported"])
def root(request, tmp_path):
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path / "ours", SIZE, 10, ("good", "bad"), masked=request.param)
    for index, length in enumerate(LENGTHS):
        rows = random_rows(length, rng)
        rows.valid[:, 0] = not request.param
        writer.write(index, smooth_frames(length, rng), rows, EpisodeSource(seed=index, town=0))
    writer.seal()
    return tmp_path / "ours"


def test_every_file_follows_the_published_layout(root):
    info = json.loads((root / "meta/info.json").read_text())
    assert info.keys() == INFO_KEYS
    assert info["codebase_version"] == "v3.0"
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    assert info["video_path"] == "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"], info["fps"]) == (3, 49, 2, 10)
    assert {n: info["features"][n]["dtype"] for n in INDEX_FEATURES} == INDEX_FEATURES
    assert not [name for name in info["features"] if "/" in name]
    assert ("valid" in info["features"]) == (not RolloutDataset(root)[0].rows.valid.all())
    files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    expected = {"meta/info.json", "meta/stats.json", "meta/tasks.parquet"}
    for k in range(3):
        expected |= {f"{kind}/chunk-000/file-{k:03d}.parquet" for kind in ("data", "meta/episodes")}
        expected.add(f"videos/observation.images.front/chunk-000/file-{k:03d}.mp4")
    assert files == expected


def test_tasks_are_a_table_indexed_by_their_text(root):
    table = pq.read_table(root / "meta/tasks.parquet")
    assert table.to_pydict() == {"task_index": [0, 1], "task": ["good", "bad"]}
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_episodes_say_where_their_rows_and_frames_are(root):
    info = json.loads((root / "meta/info.json").read_text())
    first = 0
    for k, length in enumerate(LENGTHS):
        table = pq.read_table(root / f"meta/episodes/chunk-000/file-{k:03d}.parquet")
        assert {n: str(table.schema.field(n).type) for n in EPISODE_COLUMNS} == EPISODE_COLUMNS
        (row,) = table.to_pylist()
        assert (row["episode_index"], row["length"]) == (k, length)
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (first, first + length)
        place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
        data = pq.read_table(root / info["data_path"].format(**place))
        assert data["index"].to_pylist() == list(range(first, first + length))
        assert data["frame_index"].to_pylist() == list(range(length))
        np.testing.assert_allclose(data["timestamp"], np.arange(length) / 10, atol=1e-6)
        key = layout.VIDEO_KEY
        place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        assert len(decode_video(root / info["video_path"].format(video_key=key, **place), 0, length)) == length
        assert (row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]) == (0.0, length / 10)
        first += length


def test_columns_have_the_declared_types_and_statistics(root):
    info = json.loads((root / "meta/info.json").read_text())
    stats = json.loads((root / "meta/stats.json").read_text())
    assert stats.keys() == info["features"].keys()
    schema = pq.read_schema(root / "data/chunk-000/file-001.parquet")
    arrow_names = {"float32": "float", "float64": "double"}
    for name, feature in info["features"].items():
        assert {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"} == stats[name].keys()
        if feature["dtype"] == "video":
            assert feature["names"] == ["height", "width", "channels"]
            assert feature["info"]["video.fps"] == info["fps"]
            assert np.shape(stats[name]["mean"]) == (3, 1, 1)
            continue
        (size,) = feature["shape"]
        dtype = arrow_names.get(feature["dtype"], feature["dtype"])
        kind = schema.field(name).type
        found = (str(kind), 1) if size == 1 else (str(kind.value_type), kind.list_size)
        assert found == (dtype, size), name
        assert np.shape(stats[name]["mean"]) == (size,)
        assert feature["names"] is None or len(feature["names"]) == size


LEROBOT = os.environ.get("DRIVEDIT_LEROBOT_PYTHON", "")
"""An interpreter that has lerobot[dataset] 0.6."""
_READ = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
steps = {"action": [0.0, 0.1]}
options = {"root": sys.argv[1], "video_backend": "pyav", "depth_output_unit": "m"}
plain, dataset = (LeRobotDataset("drivedit/ours", delta_timestamps=d, **options) for d in (None, steps))
items = [plain[k] for k in range(len(plain))]
read = {key: np.stack([np.asarray(item[key]) for item in items]) for key in items[0]}
two = dataset[16]
read |= {"action in 0.1 s": two["action"].numpy(), "padded": two["action_is_pad"].numpy()}
for key, stats in plain.meta.stats.items():
    read |= {f"stats/{key}/{name}": value for name, value in stats.items()}
np.savez(sys.argv[2], **read, episodes=plain.num_episodes)
"""


@pytest.mark.skipif(not LEROBOT, reason="DRIVEDIT_LEROBOT_PYTHON names no interpreter that has lerobot")
def test_lerobot_reads_the_very_values(tmp_path):
    """Every feature of every row, depth, statistics with quantiles, a window past an episode's end, tasks."""
    rng = np.random.default_rng(0)
    writer = RolloutWriter(tmp_path / "ours", SIZE, 10, ("good", "bad"), sensors=("depth", "semantic"))
    for index, length in enumerate(LENGTHS):
        shown = {"depth": rng.uniform(1, 90, (length, *SIZE)).astype(np.float16)}
        shown["semantic"] = rng.integers(0, 9, (length, *SIZE)).astype(np.uint8)
        source = EpisodeSource(seed=index, town=0)
        writer.write(index, smooth_frames(length, rng), random_rows(length, rng), source, pictures=shown)
    writer.seal()

    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    command = [LEROBOT, "-c", _READ, str(tmp_path / "ours"), str(tmp_path / "read.npz")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "depth_unit" not in result.stderr  # it would warn of depths whose unit it does not know
    read = np.load(tmp_path / "read.npz")

    dataset = RolloutDataset(tmp_path / "ours")
    info = json.loads((tmp_path / "ours/meta/info.json").read_text())
    tables = [pq.read_table(path) for path in sorted((tmp_path / "ours/data/chunk-000").glob("*.parquet"))]
    assert (len(read["index"]), read["episodes"]) == (49, 3)
    for name, feature in info["features"].items():
        if feature["dtype"] != "video":
            ours = np.concatenate([layout.array(table, name, tuple(feature["shape"])) for table in tables])
            theirs = read[name].reshape(ours.shape)  # it gives what is float64 as float32
            np.testing.assert_array_equal(theirs, ours.astype(theirs.dtype), err_msg=name)
            assert theirs.dtype.kind == ours.dtype.kind, name
    assert read["task"].tolist() == [dataset.tasks[k] for episode in dataset for k in episode.rows.tasks]
    np.testing.assert_array_equal(read["action in 0.1 s"], dataset[0].rows.controls[[16, 16]])
    assert read["padded"].tolist() == [False, True]

    frames = np.concatenate([episode.frames for episode in dataset])
    assert np.abs(np.rint(255 * read[layout.VIDEO_KEY]).transpose(0, 2, 3, 1) - frames).max() <= 2
    depth = np.concatenate([episode.sensor_frames("depth") for episode in dataset])
    np.testing.assert_allclose(read[stream_key("depth")].reshape(depth.shape), depth, rtol=1e-3)
    classes = np.concatenate([episode.sensor_frames("semantic") for episode in dataset])
    shown = read[stream_key("semantic")][:, 0]
    np.testing.assert_array_equal(np.rint(255 * shown), classes)

    stats = json.loads((tmp_path / "ours/meta/stats.json").read_text())
    for name, values in stats.items():
        for key in ("q01", "q10", "q50", "q90", "q99", "mean", "count"):
            np.testing.assert_array_equal(read[f"stats/{name}/{key}"], np.array(values[key]), err_msg=name)
