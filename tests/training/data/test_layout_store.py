"""Layouts of recordings: a file a map, read when asked for, whole or refused."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from random_rollouts import SIZE, random_rows, smooth_frames

from training.data.frame_store import FrameStore
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset
from training.data.starts import clip_at
from worldsim.datatypes.layout import Layout, LineKind
from worldsim.datatypes.start_clip import LAYOUT_RADIUS


def lines_at(*y: float) -> Layout:
    """Straight lines along x, one at each y."""
    ends = np.array([[(-30.0, v, 0.0), (30.0, v, 0.0)] for v in y], np.float64)
    return Layout(
        line_points=ends.reshape(-1, 3),
        line_starts=2 * np.arange(len(y) + 1),
        line_kinds=np.full(len(y), int(LineKind.SOLID)),
        line_colors=np.zeros(len(y), np.int64),
        line_widths=np.full(len(y), 0.125, np.float32),
        boxes_known=False,
    )


def record(root: Path, layouts: list[Layout | None]) -> RolloutDataset:
    rng = np.random.default_rng(0)
    writer = RolloutWriter(root, SIZE, 10, ("any",))
    for index, layout in enumerate(layouts):
        rows = random_rows(30, rng)
        rows.vehicles[:] = 0.0
        rows.tasks[:] = 0
        rows.scenes.route_valid[:] = False
        writer.write(index, smooth_frames(30, rng), rows, EpisodeSource(seed=0, town=0), layout)
    writer.seal()
    return RolloutDataset(root)


def test_episodes_of_one_map_share_a_file(tmp_path):
    a, b = lines_at(0.0, 3.5), lines_at(7.0)
    dataset = record(tmp_path, [a, b, a])

    assert len(list((tmp_path / "meta/layouts").iterdir())) == 2
    assert [dataset[k].static.read() == layout for k, layout in enumerate((a, b, a))] == [True] * 3
    assert dataset[0].static.read() is dataset[2].static.read()


def test_a_recording_without_layouts_says_so_once(tmp_path):
    dataset = record(tmp_path, [None, Layout.unknown()])

    assert not (tmp_path / "meta/layouts").exists()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        assert [dataset[k].static.read() == Layout.unknown() for k in range(2)] == [True, True]
    assert len(said) == 1
    assert str(tmp_path) in str(said[0].message)


def test_a_recording_from_before_there_were_layouts_is_read(tmp_path):
    import pyarrow.parquet as pq

    record(tmp_path, [lines_at(0.0)])
    path = tmp_path / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["layout"]), path)

    with pytest.warns(UserWarning, match="episodes without a layout"):
        assert RolloutDataset(tmp_path)[0].static.read() == Layout.unknown()


@pytest.mark.parametrize("damage", ["missing", "cut", "swapped"])
def test_a_damaged_layout_is_named(tmp_path, damage):
    dataset = record(tmp_path, [lines_at(0.0), lines_at(5.0)])
    first, second = (tmp_path / f"meta/layouts/{dataset[k].static.digest}.npz" for k in range(2))
    if damage == "missing":
        first.unlink()
    elif damage == "cut":
        first.write_bytes(first.read_bytes()[:-40])
    else:
        first.write_bytes(second.read_bytes())

    with pytest.raises(ValueError, match=first.name):
        dataset[0].static.read()
    assert dataset[1].static.read() == lines_at(5.0)


def test_start_clips_of_a_recording_carry_what_lies_around_their_route(tmp_path):
    near, far = 60.0, 400.0
    dataset = record(tmp_path, [lines_at(0.0), lines_at(near, far)])
    store = FrameStore(dataset)

    clip = clip_at(store, int(store.starts[1]) + 10, 4)
    assert near < LAYOUT_RADIUS < far
    assert clip.layout == lines_at(near)
    _, later = store.split(0.5)
    assert clip_at(later, 10, 4).layout == lines_at(near)
