"""LeRobot datasets of others: which part of which feature is believed, and pictures that lie in the tables."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_datasets import LENGTH, TIMES, png, write_dataset
from recordings import imported, known, numbers, picture, write_udacity

from training.data import lerobot_layout as layout
from training.importers.importer import DriveOptions
from training.importers.lerobot import read_lerobot
from training.importers.table_images import TableImages

CONTROLS = np.stack([0.1 * np.sin(TIMES), 0.3 + 0 * TIMES, 0 * TIMES], 1)
NAMES = ["steering", "throttle", "brake"]
FRONT = "observation.images.front"


def test_pictures_in_the_tables(tmp_path):
    write_dataset(tmp_path / "theirs", {"action": CONTROLS}, {"action": NAMES}, FRONT, dtype="image")
    dataset = imported(tmp_path / "theirs", tmp_path / "out")
    assert known(dataset) == {"frame", "steer", "throttle", "brake"}
    assert [numbers(episode.frames).tolist() for episode in dataset] == [list(range(25)), list(range(25, 50))]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"bytes": b"no picture", "path": None}, "image in row 26 of observation.images.front is damaged"),
        ({"bytes": None, "path": None}, "image in row 26 of observation.images.front is missing"),
        ({"bytes": None, "path": "images/26.png"}, r"theirs/images/26\.png .row 26 of .* is missing"),
        (
            {"bytes": None, "path": "../26.png"},
            r"row 26 of .* names '\.\./26\.png', which is not in the dataset's folder",
        ),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(tmp_path, cell, message):
    root = tmp_path / "theirs"
    write_dataset(root, {"action": CONTROLS}, {"action": NAMES}, FRONT, dtype="image")
    path = root / layout.DATA_PATH.format(chunk_index=0, file_index=0)
    table = pq.read_table(path)
    cells = table.column(FRONT).to_pylist()
    cells[26] = cell
    at = table.column_names.index(FRONT)
    pq.write_table(table.set_column(at, FRONT, pa.array(cells, table.schema.field(FRONT).type)), path)
    with pytest.raises(ValueError, match=message):
        imported(root, tmp_path / "out")


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("data_path", "../{chunk_index}.parquet", "which is not in the dataset's folder"),
        ("video_path", "/tmp/{video_key}/{file_index:03d}.mp4", "which is not in the dataset's folder"),
        ("data_path", "{chunk_index:>300000000}", "data_path in .*info.json must be a path with fields"),
        ("data_path", "{nope}", "must be a path with fields"),
        ("data_path", "{chunk_index.__class__}", "must be a path with fields"),
        ("video_path", None, "must be a path with fields"),
        ("fps", None, "info.json: fps must be a positive number, got None"),
        ("fps", 0, "fps must be a positive number, got 0"),
        ("fps", "ten", "fps must be a positive number, got 'ten'"),
        ("features", ["action"], "features must be an object"),
        ("codebase_version", 3, "codebase_version must be a text, got 3"),
    ],
)
def test_an_entry_of_info_json_that_cannot_be_is_refused_by_name(tmp_path, entry, value, message):
    root = tmp_path / "theirs"
    write_dataset(root, {"action": CONTROLS}, {"action": NAMES}, FRONT)
    layout.write_json(root / layout.INFO_PATH, layout.read_json(root / layout.INFO_PATH) | {entry: value})
    with pytest.raises(ValueError, match=message):
        read_lerobot(root)


@pytest.mark.parametrize("column", ["action", "timestamp", "episode_index"])
def test_a_missing_column_is_named_with_its_file(tmp_path, column):
    root = tmp_path / "theirs"
    write_dataset(root, {"action": CONTROLS}, {"action": NAMES}, FRONT)
    path = root / layout.DATA_PATH.format(chunk_index=0, file_index=0)
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(ValueError, match=rf"file-000.parquet has no column {column}; its columns are"):
        read_lerobot(root)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (0 * TIMES, r"file-000.parquet: episode 0, timestamp: time must rise"),
        (np.where(TIMES > 1, TIMES - 0.5, TIMES), r"episode 0, timestamp: time must rise; sample 11"),
        (1000 * TIMES, r"episode 0: its timestamps are 100 s apart, but fps in .*info.json is 10: mend"),
        (TIMES / 2, r"episode 0: its timestamps are 0.05 s apart, but fps in .*info.json is 10"),
    ],
)
def test_timestamps_that_cannot_be_are_refused_by_name(tmp_path, times, message):
    root = tmp_path / "theirs"
    write_dataset(root, {"action": CONTROLS}, {"action": NAMES}, FRONT)
    path = root / layout.DATA_PATH.format(chunk_index=0, file_index=0)
    table = pq.read_table(path)
    column = layout.column(times.astype(np.float32))
    pq.write_table(table.set_column(table.column_names.index("timestamp"), "timestamp", column), path)
    with pytest.raises(ValueError, match=message):
        read_lerobot(root)


def test_pictures_beside_the_tables(tmp_path):
    (tmp_path / "7.png").write_bytes(png(picture(7)))
    cells = pa.array([{"bytes": None, "path": "7.png"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": cells}), tmp_path / "table.parquet")
    images = TableImages(tmp_path / "table.parquet", "image", np.array([0]), np.zeros(1), tmp_path)
    np.testing.assert_array_equal(next(images.read([0])), picture(7))


def test_of_one_name_in_action_and_state_the_action_tells_the_control_and_that_is_said_once(tmp_path):
    both = {"observation.state": np.zeros((50, 3)), "action": CONTROLS}
    write_dataset(tmp_path / "theirs", both, {"observation.state": NAMES, "action": NAMES}, FRONT)
    with pytest.warns(
        UserWarning, match="steer from the action, not from observation.state.steering; throttle"
    ) as told:
        recording = read_lerobot(tmp_path / "theirs")[0]
    assert len(told) == 1
    np.testing.assert_allclose(recording.signals["steer"].values, CONTROLS[:LENGTH, 0], atol=1e-6)


def test_l2d(tmp_path):
    """Yaak's L2D, whose speed is in km/h and whose heading is a compass's."""
    state = np.stack([36 + 0 * TIMES, 90 - 10 * TIMES, 0 * TIMES, 0.5 + 0 * TIMES], 1)
    names = {"observation.state.vehicle": ["speed", "heading", "heading_error", "acceleration_x"]}
    names["action.continuous"] = [f"{name}_normalized" for name in ("gas_pedal", "brake_pedal", "steering_angle")]
    values = {"observation.state.vehicle": state, "action.continuous": CONTROLS[:, [1, 2, 0]]}
    write_dataset(tmp_path / "theirs", values, names, "observation.images.front_left")
    recording = read_lerobot(tmp_path / "theirs")[0]
    assert recording.signals.keys() == {"steer", "throttle", "brake", "speed", "yaw", "acceleration"}
    np.testing.assert_allclose(recording.signals["steer"].values, CONTROLS[:LENGTH, 0], atol=1e-6)
    np.testing.assert_allclose(recording.signals["speed"].values, 10)
    np.testing.assert_allclose(recording.signals["yaw"].values, np.radians(10 * TIMES[:LENGTH]), atol=1e-6)
    assert recording.origins["yaw"].unit == "° clockwise from north"
    assert recording.unread == ("observation.state.vehicle.heading_error",)


@pytest.mark.parametrize("forward", ["forward", "Forward"])
def test_a_car_that_is_steered_by_four_keys(tmp_path, forward):
    keys = [forward, "backward", "left", "right", "speed", "brake"]
    pressed = np.tile([[1, 0, 1, 0, 80, 0], [0, 1, 0, 1, 80, 0]], (25, 1)).astype(float)
    values = {"observation.state": pressed, "action": pressed}
    write_dataset(tmp_path / "theirs", values, {"observation.state": keys, "action": keys}, "observation.images.camera")
    with pytest.warns(UserWarning, match=r"no speed: observation\.state\.speed is an action too"):
        signals = read_lerobot(tmp_path / "theirs")[0].signals
    assert signals.keys() == {"steer", "throttle", "reverse", "brake"}
    assert signals["steer"].values[:2].tolist() == [1, -1]
    assert signals["throttle"].values[:2].tolist() == [1, 1]
    assert signals["reverse"].values[:2].tolist() == [0, 1]


def write_keys(root, *rows):
    pressed = np.resize(np.array(rows, float), (50, 4))
    write_dataset(root, {"action": pressed}, {"action": ["forward", "backward", "left", "right"]}, FRONT)


def test_the_left_key_is_left_in_a_left_handed_dataset_too(tmp_path):
    write_keys(tmp_path / "theirs", [1, 0, 1, 0], [0, 1, 0, 1])
    recording = read_lerobot(tmp_path / "theirs", left_handed=True)[0]
    assert recording.signals["steer"].values[:2].tolist() == [1, -1]
    assert "positive left" in recording.origins["steer"].unit


def test_keys_held_against_one_another_are_refused_by_name(tmp_path):
    write_keys(tmp_path / "theirs", [1, 0, 0, 0], [1, 1, 0, 0])
    with pytest.raises(
        ValueError, match=r"row 1: action: forward \+ backward are 1 and 1, held together.*throttle=COL"
    ):
        read_lerobot(tmp_path / "theirs")
    signals = read_lerobot(tmp_path / "theirs", columns=["throttle=action.forward"])[0].signals
    assert signals["throttle"].values[:2].tolist() == [1, 1]


def test_a_commanded_speed_is_not_the_speed_unless_it_is_assigned(tmp_path):
    write_dataset(tmp_path / "theirs", {"action": CONTROLS}, {"action": ["steering", "speed", "x"]}, FRONT)
    assert read_lerobot(tmp_path / "theirs")[0].signals.keys() == {"steer"}
    assert "speed" in read_lerobot(tmp_path / "theirs", columns=["speed=action.speed:kmh"])[0].signals


def test_degrees_that_look_like_an_angle_are_refused_by_name(tmp_path):
    state = np.stack([90 + TIMES], 1)
    write_dataset(tmp_path / "theirs", {"observation.state": state}, {"observation.state": ["yaw"]}, FRONT)
    with pytest.raises(
        ValueError, match=r"episode 0, row 0: observation.state.yaw is 90, but .*yaw=observation.state.yaw:deg"
    ):
        read_lerobot(tmp_path / "theirs")
    yaw = read_lerobot(tmp_path / "theirs", columns=["yaw=observation.state.yaw:deg"])[0].signals["yaw"]
    assert yaw.values[0] == pytest.approx(np.pi / 2)


def test_what_one_of_our_datasets_does_not_know_stays_unknown(tmp_path):
    write_udacity(tmp_path / "track")
    ours = imported(tmp_path / "track", tmp_path / "ours")
    again = imported(tmp_path / "ours", tmp_path / "again", drive=DriveOptions())
    assert known(again) == known(ours)
    assert "x" not in known(again)
