"""Which places of a recording are driven again, and what is true there."""

from types import SimpleNamespace

import numpy as np
import pytest
from known_drives import turning_car

from training.evaluation.held_out import choose_long_starts, held_out_drive, steps_ahead


def recording(num: int = 60) -> SimpleNamespace:
    """One episode of which it is known what its frames show: scene k of it is k."""
    store = turning_car(num)
    store.towns = np.array([7])
    store.has_camera_scenes = lambda episode: True
    store.camera_scenes = lambda episode: list(range(num))
    return store


def test_a_drive_goes_on_where_its_clip_ends_and_stops_with_its_episode() -> None:
    store = recording()
    drive = held_out_drive(store, 40, 8, 30)  # type: ignore[arg-type]
    assert (drive.town, drive.num_context, len(drive), drive.num_valid) == (7, 8, 30, 19)
    assert np.array_equal(drive.clip.frames[-1], store.frames[40])
    assert np.array_equal(drive.frames[0], store.frames[41])
    assert np.array_equal(drive.rows.vehicles[18], store.rows.vehicles[59])
    assert drive.camera_scenes[:9] == tuple(range(33, 42))  # type: ignore[index]
    assert drive.camera_scenes[-1] == 59  # type: ignore[index]
    store.has_camera_scenes = lambda episode: False
    assert held_out_drive(store, 40, 8, 30).camera_scenes is None  # type: ignore[arg-type]


def test_starts_are_spread_over_towns_before_episodes_and_leave_room() -> None:
    parts = [turning_car(60) for _ in range(6)]
    store = recording()
    store.starts, store.lengths = np.arange(6) * 60, np.array([60, 60, 60, 60, 60, 20])
    store.towns = np.array([1, 1, 1, 2, 2, 3])
    store.rows = type(store.rows).concatenate([part.rows for part in parts])[:320]
    starts = choose_long_starts(store, 4, 8, 40, np.random.default_rng(0))  # type: ignore[arg-type]
    episodes = starts // 60
    assert set(store.towns[episodes[:2]]) == {1, 2}  # the third town's episode is too short
    assert len(set(episodes)) == 4
    within = starts - store.starts[episodes]
    assert within.min() >= 7
    assert within.max() <= 19

    none_fits = choose_long_starts(store, 3, 8, 80, np.random.default_rng(0))  # type: ignore[arg-type]
    assert set(none_fits % 60) == {7}
    assert set(steps_ahead(store, none_fits)) <= {52, 12}  # type: ignore[arg-type]
    assert len(choose_long_starts(store, 20, 8, 40, np.random.default_rng(0))) == 20  # type: ignore[arg-type]
    store.rows.valid[:] = False
    with pytest.raises(ValueError, match="of 8 frames in a row known"):
        choose_long_starts(store, 3, 8, 40, np.random.default_rng(0))  # type: ignore[arg-type]
