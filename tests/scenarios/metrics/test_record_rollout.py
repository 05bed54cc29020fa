"""Rollouts as records: one ground frame, objects linked to trajectories whatever their order in the list."""

from dataclasses import replace

import numpy as np
import pytest

from policies.drive import NO_FRAME, Rollout
from scenarios.metrics.record_rollout import record_rollout
from worldsim.datatypes.layout import AreaKind, Layout, join_polylines
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.start_clip import StartClip

NUM_INSTANTS, DT = 31, 0.1


def rollout(vehicles, users):
    """`users`: pairs of ObjectKind and states x, y, yaw, speed, length, width [t, 6] in the ground frame."""
    scenes = SceneState.empty((NUM_INSTANTS,))
    scenes.ego[:, 0] = vehicles[:, 3]
    scenes.ego_valid[:] = True
    for i in range(NUM_INSTANTS):
        x, y, yaw = vehicles[i, :3]
        order = sorted(range(len(users)), key=lambda k: np.hypot(*(users[k][1][i, :2] - [x, y])))
        slot = 0
        for k in order:
            kind, states = users[k]
            if np.isnan(states[i, 0]):
                continue
            dx, dy = states[i, :2] - [x, y]
            row = [np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx, states[i, 2] - yaw]
            scenes.objects[i, slot] = [*row, *states[i, 3:]]
            scenes.object_kinds[i, slot] = kind
            slot += 1
    none = np.zeros(NUM_INSTANTS)
    return Rollout(
        clip=None,  # type: ignore[arg-type]
        frames=np.stack([NO_FRAME] * NUM_INSTANTS),
        scenes=scenes,
        vehicles=vehicles,
        actions=np.zeros((NUM_INSTANTS - 1, 2), np.float32),
        rewards=np.zeros(NUM_INSTANTS - 1),
        collision=none,
        off_road=none,
        wrong_way=none > 0,
        red_light=none > 0,
        stop_sign_missed=none > 0,
        trust=np.ones(NUM_INSTANTS),
        progress=np.full(NUM_INSTANTS - 1, 1.0),
        terminated=False,
        truncated=False,
        seed=0,
        dt=DT,
    )


def along(x, y, yaw, speed, length=4.5, width=1.9):
    way = speed * DT * np.arange(NUM_INSTANTS)
    ones = np.ones(NUM_INSTANTS)
    return np.stack(
        [x + way * np.cos(yaw), y + way * np.sin(yaw), yaw * ones, speed * ones, length * ones, width * ones], axis=-1
    )


def ego():
    """Turning on a circle of 40 m at 10 m/s."""
    angle = np.arange(NUM_INSTANTS) * DT * 10.0 / 40.0
    zero = np.zeros(NUM_INSTANTS)
    return np.stack([40 * np.sin(angle), 40 * (1 - np.cos(angle)), angle, zero + 10.0, zero, zero], axis=-1)


def test_tracks_are_linked_though_the_nearest_changes():
    users = [
        (ObjectKind.CAR, along(30.0, 3.0, np.pi, 8.0)),
        (ObjectKind.CAR, along(10.0, 0.0, 0.0, 8.0)),
        (ObjectKind.PEDESTRIAN, along(20.0, -3.0, np.pi / 2, 1.4, 0.5, 0.5)),
    ]
    found = record_rollout(rollout(ego(), users))
    assert len(found.tracks) == 3
    assert found.track_known.all()
    for kind, states in users:
        misses = [np.abs(states[:, :2] - row[:, :2]).max() for row in found.tracks]
        best = int(np.argmin(misses))
        assert misses[best] < 1e-4
        assert found.track_kinds[best] == kind
        np.testing.assert_allclose(found.tracks[best, :, 3:], states[:, 3:], atol=1e-5)


def test_who_is_hidden_for_a_moment_is_the_same_and_who_is_gone_for_long_is_not():
    moment, longer = along(30.0, 3.0, 0.0, 5.0), along(30.0, -6.0, 0.0, 5.0)
    moment[10:13], longer[10:20] = np.nan, np.nan
    found = record_rollout(rollout(ego(), [(ObjectKind.CAR, moment), (ObjectKind.CAR, longer)]))
    assert sorted(found.track_known.sum(axis=1).tolist()) == [10, 11, 28]


def test_another_kind_or_size_at_the_same_place_is_another_road_user():
    first, second = along(20.0, 0.0, 0.0, 0.0), along(20.0, 0.0, 0.0, 0.0, length=8.0)
    first[15:], second[:15] = np.nan, np.nan
    found = record_rollout(rollout(ego(), [(ObjectKind.CAR, first), (ObjectKind.CAR, second)]))
    assert sorted(found.track_known.sum(axis=1).tolist()) == [15, 16]


def test_what_the_scene_does_not_know_is_nan_and_the_rest_is_kept():
    drive = rollout(ego(), [])
    drive.scenes.lane[:] = 0.3
    drive.scenes.lane_valid[5:, :2] = True
    found = record_rollout(drive, route_length=60.0, reference_progress=20.0)
    assert np.isnan(found.lane[:5]).all()
    assert np.isnan(found.lane[5:, 2:]).all()
    np.testing.assert_allclose(found.lane[5:, :2], 0.3, rtol=1e-6)
    assert np.isnan(found.lead_gap).all()
    assert found.tracks.shape == (0, NUM_INSTANTS, 6)
    assert (found.route_length, found.reference_progress, found.reference_speed) == (60.0, 20.0, None)
    np.testing.assert_allclose(found.ego[:, :3], ego()[:, :3])
    assert found.drivable is None
    assert found.in_junction is None


def test_a_layout_says_where_one_may_drive_and_where_junctions_are():
    squares = [np.array([[x, -20.0], [x + 10, -20], [x + 10, 20], [x, 20]]) for x in (-10.0, 10.0, 0.0)]
    points, starts = join_polylines(squares)
    kinds = np.array([AreaKind.DRIVABLE, AreaKind.SIDEWALK, AreaKind.JUNCTION], np.int64)
    layout = Layout(area_points=points, area_starts=starts, area_kinds=kinds)
    straight = ego()
    straight[:, :3] = 0.0
    straight[:, 0] = np.linspace(-5.0, 25.0, NUM_INSTANTS)
    found = record_rollout(rollout(straight, []), layout=layout)
    assert found.drivable is not None
    assert found.in_junction is not None
    assert len(found.drivable) == 2
    assert found.in_junction.sum() == pytest.approx(10, abs=1)
    assert record_rollout(rollout(straight, []), layout=Layout.unknown()).drivable is None


def test_the_approach_is_the_clip_and_the_drive_with_tracks_that_go_through():
    users = [(ObjectKind.CAR, along(30.0, 3.0, np.pi, 8.0)), (ObjectKind.CAR, along(10.0, 0.0, 0.0, 8.0))]
    whole = rollout(ego(), users)
    clip = StartClip(
        frames=np.zeros((8, 0, 0, 3), np.uint8),
        controls=np.zeros((7, 4), np.float32),
        vehicles=whole.vehicles[:8],
        scenes=whole.scenes[:8],
        route=np.zeros((2, 2), np.float32),
        dt=DT,
    )
    per_instant = (
        "scenes",
        "vehicles",
        "frames",
        "collision",
        "off_road",
        "wrong_way",
        "red_light",
        "stop_sign_missed",
        "trust",
    )
    later = {name: getattr(whole, name)[7:] for name in per_instant}
    drive = replace(whole, **later, progress=whole.progress[7:], actions=whole.actions[7:], rewards=whole.rewards[7:])
    found = record_rollout(drive, approach=clip)
    assert found.approach is not None
    assert (found.num_instants, found.approach.num_instants) == (NUM_INSTANTS - 7, NUM_INSTANTS)
    np.testing.assert_allclose(found.approach.ego, record_rollout(whole).ego)
    assert found.approach.track_known.sum(axis=1).tolist() == [NUM_INSTANTS] * 2
    assert record_rollout(drive).approach is None

    elsewhere = replace(clip, vehicles=clip.vehicles + 10.0)
    with pytest.raises(ValueError, match=r"the clip must end where the drive begins, it ends 14\.1 m from there"):
        record_rollout(drive, approach=elsewhere)
