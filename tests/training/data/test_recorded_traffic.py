"""Tracks of a recorded episode: speeds, goals and identities of road users whose ways are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from known_drives import rows_of

from training.data.reconstructed_scenes import reconstruct_scenes
from training.data.recorded_traffic import RecordedTraffic
from worldsim.actors.actors import ActorColumn
from worldsim.datatypes.scene import SceneState

NUM, DT = 50, 0.1


def store_of(*tracks: tuple[np.ndarray, float], hidden: slice | None = None) -> SimpleNamespace:
    """A standing ego, and cars at x [NUM] on its axis, by length; those of `hidden` frames are in no picture."""
    scenes = SceneState.empty((NUM,))
    for slot, (x, length) in enumerate(tracks):
        scenes.objects[:, slot, 0], scenes.objects[:, slot, 4], scenes.objects[:, slot, 5] = x, length, 1.8
        scenes.objects[:, slot, 3] = np.median(np.gradient(x)) / DT
        scenes.object_kinds[:, slot] = np.where(np.isfinite(x), 1, 0)
    scenes.objects[~np.isfinite(scenes.objects)] = 0.0
    rows = rows_of(np.zeros((NUM, 6)), scenes, np.zeros(4, np.float32))
    shown = reconstruct_scenes(rows, DT)
    for frame in range(NUM)[hidden] if hidden else ():
        shown[frame] = reconstruct_scenes(rows_of(np.zeros((1, 6)), SceneState.empty((1,)), np.zeros(4)), DT)[0]
    return SimpleNamespace(
        rows=rows, starts=np.array([0]), lengths=np.array([NUM]), dt=DT, camera_scenes=lambda episode: shown
    )


def test_a_track_has_the_speed_and_acceleration_of_its_places() -> None:
    t = DT * np.arange(NUM)
    traffic = RecordedTraffic.of(store_of((10 + 4 * t + t**2, 4.4), (np.full(NUM, 40.0), 4.2)), 0)  # type: ignore[arg-type]
    first, second = traffic.tracks[0], traffic.tracks[-1]
    own = traffic.states[traffic.tracks == (first if traffic.states[0, 4] > 4.3 else second)]
    assert own[5, ActorColumn.SPEED] == pytest.approx(4 + 2 * 0.45, abs=1e-4)
    assert own[5, ActorColumn.ACCELERATION] == pytest.approx(2.0, abs=1e-3)
    assert own[0, ActorColumn.SPEED] == pytest.approx(4 - 2 * 0.05, abs=1e-3)
    assert own[0, ActorColumn.ACCELERATION] == 0
    assert (own[:, ActorColumn.DRIVES] == 1).all()
    still = traffic.states[~np.isclose(traffic.states[:, 4], 4.4)]
    assert not still[:, [ActorColumn.SPEED, ActorColumn.DRIVES]].any()
    later = traffic.later(5)
    assert (later >= 0).sum() == 2 * (NUM - 5)
    assert (traffic.frames[later[later >= 0]] - traffic.frames[later >= 0] == 5).all()


def test_goals_are_far_ahead_on_the_way_and_nobody_who_hardly_moves_has_one() -> None:
    t = DT * np.arange(NUM)
    traffic = RecordedTraffic.of(store_of((10 * t, 4.4), (20 + t, 4.2)), 0)  # type: ignore[arg-type]
    fast = np.isclose(traffic.states[:, 4], 4.4)
    goals, x = traffic.goals[fast, 0], traffic.states[fast, 0]
    assert goals[0] - x[0] == pytest.approx(25.0, abs=1.1)
    assert goals[30] == pytest.approx(x[-1])
    assert np.isnan(goals[-1])
    assert np.isnan(traffic.goals[~fast]).all()


def test_who_is_out_of_the_picture_is_known_by_kind_and_size() -> None:
    t = DT * np.arange(NUM)
    traffic = RecordedTraffic.of(store_of((10 * t, 4.4), hidden=slice(20, 30)), 0)  # type: ignore[arg-type]
    assert len(traffic.frames) == NUM
    assert len(set(traffic.tracks)) == 1


def test_a_number_that_jumps_is_another_road_users() -> None:
    x = 5.0 * DT * np.arange(NUM)
    x[25:] += 40
    traffic = RecordedTraffic.of(store_of((x, 4.4)), 0)  # type: ignore[arg-type]
    assert len(set(traffic.tracks)) == 2
    assert np.abs(traffic.states[:, ActorColumn.SPEED] - 5.0).max() < 1e-3
