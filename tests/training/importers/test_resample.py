"""Resampling to rows: closed forms, and gaps that stay unknown."""

import numpy as np
import pytest

from training.importers.recording import Recording, Signal, Track
from training.importers.resample import ResampleConfig, episode_times, mean_hold, nearest, rows_at, sample, slope
from worldsim.datatypes.scene import ObjectKind

CONFIG = ResampleConfig()


def test_a_gap_is_unknown_and_its_edges_are_not():
    signal = Signal(np.array([0.0, 0.1, 0.2, 1.0, 1.1]), np.array([0.0, 1.0, 2.0, 10.0, 11.0]))
    values, valid = sample(signal, np.array([-0.1, 0.0, 0.15, 0.2, 0.5, 1.0, 1.05, 1.2]), max_gap=0.25)
    assert valid.tolist() == [False, True, True, True, False, True, True, False]
    np.testing.assert_allclose(values, [0, 0, 1.5, 2, 0, 10, 10.5, 0])


def test_a_command_is_averaged_over_the_step_it_acts_in():
    signal = Signal(np.array([0.0, 0.05, 0.1, 0.15, 0.2]), np.array([1.0, 0.0, 0.5, 0.5, 0.2]))
    values, valid = mean_hold(signal, np.array([0.0, 0.1, 0.15, 0.3, 0.4]), 0.1, max_gap=0.25)
    np.testing.assert_allclose(values[:4], [0.5, 0.5, 0.35, 0.2])
    assert valid.tolist() == [True, True, True, True, False]


def test_a_command_lost_for_long_is_unknown():
    signal = Signal(np.array([0.0, 0.1, 1.0, 1.1]), np.ones(4))
    _, valid = mean_hold(signal, np.array([0.0, 0.1, 0.95, 1.0]), 0.1, max_gap=0.25)
    assert valid.tolist() == [True, False, False, True]


def test_slopes_of_a_parabola_and_at_its_ends():
    times = np.linspace(0, 1, 101)
    values, valid = slope(Signal(times, times**2), np.array([0.0, 0.5, 1.0, 1.2]), 0.1, max_gap=0.25)
    np.testing.assert_allclose(values, [0.05, 1.0, 1.95, 0], atol=1e-9)
    assert valid.tolist() == [True, True, True, False]


def test_long_recordings_are_cut_and_split_at_gaps_and_scraps_left_out():
    clock = np.concatenate([np.arange(0, 25.01, 0.05), 26 + np.arange(0, 0.51, 0.05), 30 + np.arange(0, 2.01, 0.05)])
    times = episode_times(clock, ResampleConfig(seconds_per_episode=10.0))
    assert [len(t) for t in times] == [100, 100, 51, 21]
    np.testing.assert_allclose(times[1][:2], [10.0, 10.1])
    assert times[3][0] == 30.0


def test_the_nearest_image_and_none_too_far():
    index, valid = nearest(np.array([0.0, 0.07, 0.14, 0.6]), np.array([0.0, 0.1, 0.2, 0.3, 0.5]), max_gap=0.25)
    assert index.tolist() == [0, 1, 2, 2, 3]
    assert valid.tolist() == [True, True, True, False, True]


def circle(speed: float = 10.0, radius: float = 50.0, seconds: float = 3.0) -> dict[str, Signal]:
    """Position and yaw of a left turn that begins heading along -x, so that yaw passes the cut at pi."""
    t = np.arange(0, seconds, 0.02)
    yaw = np.pi - 0.2 + speed / radius * t
    x, y = radius * np.sin(yaw), -radius * np.cos(yaw)
    return {"x": Signal(t, x), "y": Signal(t, y), "yaw": Signal(t, (yaw + np.pi) % (2 * np.pi) - np.pi)}


def test_speed_yaw_rate_and_acceleration_follow_from_the_pose():
    signals = circle()
    rows = rows_at(Recording(name="circle", clock=signals["x"].times, signals=signals), np.arange(20) / 10, CONFIG)
    np.testing.assert_allclose(rows.scenes.ego[:, 0], 10.0, rtol=1e-3)
    np.testing.assert_allclose(rows.scenes.ego[:, 2], 0.2, rtol=1e-3)
    np.testing.assert_allclose(rows.vehicles[:, 4], 0.0, atol=0.02)
    assert np.abs(rows.motions[:, 2] - 0.02).max() < 1e-3
    assert rows.scenes.ego_valid.all(0).tolist() == [True, True, True, False]


def test_what_is_not_recorded_is_zero_and_invalid():
    t = np.arange(0, 3, 0.05)
    recording = Recording(name="speed only", clock=t, signals={"speed": Signal(t, 5 + t)})
    rows = rows_at(recording, np.arange(20) / 10, CONFIG)
    assert {n for n in ("speed", "acceleration") if rows.is_valid(n).all()} == {"speed", "acceleration"}
    assert rows.valid.sum() == 2 * len(rows)
    np.testing.assert_allclose(rows.vehicles[:, 4], 1.0)
    assert not rows.controls.any()
    assert not rows.vehicles[:, :3].any()
    assert not rows.scenes.lane_valid.any()
    assert not rows.scenes.object_valid.any()


def test_others_are_listed_in_the_ego_frame_while_they_are_there():
    signals, t = circle(), np.arange(1.0, 2.0, 0.02)
    track = Track(
        kind=ObjectKind.TRUCK,
        length=8.0,
        width=2.5,
        x=Signal(t, 0 * t),
        y=Signal(t, 0 * t),
        yaw=Signal(t, 0 * t),
        speed=Signal(t, 3 + 0 * t),
    )
    recording = Recording(name="circle", clock=signals["x"].times, signals=signals, tracks=(track,))
    rows = rows_at(recording, np.arange(25) / 10, CONFIG)
    assert rows.is_valid("objects").all()
    there = rows.scenes.object_kinds[:, 0] == ObjectKind.TRUCK
    assert np.flatnonzero(there).tolist() == list(range(10, 20))
    np.testing.assert_allclose(rows.scenes.objects[12, 0, :2], [0, 50], atol=0.01)  # the centre of a left turn
    np.testing.assert_allclose(rows.scenes.objects[12, 0, 3:], [3, 8, 2.5])


def test_a_collision_shows_in_the_frame_after_it_and_only_while_somebody_watched():
    t = np.arange(0, 3, 0.05)
    recording = Recording(name="hit", clock=t, collisions=np.array([1.23]), collisions_since=0.5)
    rows = rows_at(recording, np.arange(20) / 10, CONFIG)
    assert np.flatnonzero(rows.collision).tolist() == [13]
    assert np.flatnonzero(rows.is_valid("collision"))[0] == 5


def test_signals_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"sample 2 is at 0\.1 s after 0\.2 s"):
        Signal(np.array([0.0, 0.2, 0.1]), np.zeros(3))
    with pytest.raises(ValueError, match="value 1 of a signal is nan"):
        Signal(np.arange(2.0), np.array([0, np.nan]))
    with pytest.raises(ValueError, match="unknown signals"):
        Recording(name="r", clock=np.arange(2.0), signals={"wheel": Signal(np.arange(2.0), np.zeros(2))})
