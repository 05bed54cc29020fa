"""Drives of the evaluation, and what drives are worth, on recordings whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from known_drives import turning_car
from tiny_model import CONFIG, random_clip, random_model

from training.data.validity import known_of
from training.evaluation.metrics import actor_picture_scores, scene_scores, stability_scores, trust_scores
from training.evaluation.rollouts import Rollouts, long_drives, roll_out_recorded
from worldsim.conditioning.actor_map import ActorMap
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel


def test_rollouts_stand_beside_the_frames_they_are_held_against() -> None:
    store = turning_car(40)
    positions = np.array([10, 36])
    r = roll_out_recorded(random_model(), store, positions, 6, 2, shuffle=False)  # type: ignore[arg-type]
    assert (r.truth[0] == store.frames[11:17]).all()
    assert r.valid.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert (r.repeated[1] == store.frames[36]).all()
    assert r.frames.shape == r.reconstructed.shape == (2, 6, 128, 128, 3)
    assert r.true_scenes.ego[0, :, 0] == pytest.approx(store.rows.scenes.ego[11:17, 0])
    assert r.signals.shape == (2, 6, len(FULL_SIGNALS))
    old = random_model()
    old.full_trust.bias.fill_(np.nan)  # as of an older checkpoint
    again = roll_out_recorded(old, store, positions, 6, 1, shuffle=False)  # type: ignore[arg-type]
    np.testing.assert_allclose(again.signals, r.signals[..., : len(FREE_SIGNALS)], rtol=1e-3, atol=1e-4)
    assert np.abs(again.frames.astype(int) - r.frames).max() <= 2  # one by one or side by side


def rollouts(ours: SceneState, truth: SceneState) -> Rollouts:
    n, t = truth.command.shape
    frames = np.zeros((n, t, 128, 128, 3), np.uint8)
    zeros = np.zeros((n, t))
    return Rollouts(
        frames=frames + 10,
        truth=frames,
        repeated=frames + 40,
        reconstructed=frames,
        tracked=ours,
        decoded=ours,
        true_scenes=truth,
        decoded_ego=np.zeros((n, t, 2)),
        collision=zeros,
        decoded_collision=zeros,
        off_road=zeros,
        decoded_off_road=zeros,
        signals=np.zeros((n, t, 3)),
        true_collision=zeros,
        true_off_road=zeros,
        valid=np.ones((n, t), bool),
        known=known_of(np.ones((n, t, 16), bool)),
    )


def test_objects_count_as_found_when_they_are_near_their_true_place() -> None:
    truth = SceneState.empty((1, 5))
    truth.object_kinds[..., :3] = 1
    truth.objects[..., 0, :2] = 10, 0
    truth.objects[..., 1, :2] = 20, 3
    truth.objects[..., 2, :2] = 12, 11  # outside the picture
    ours = truth.copy()
    ours.objects[..., 0, :2] = 11, 0.5
    ours.objects[..., 1, :2] = 25, 3
    ours.lane[..., 0], ours.lane_valid[:], truth.lane_valid[:] = 0.3, True, True
    at = scene_scores(ours, rollouts(ours, truth), 0.1)["0.5"]
    assert at["objects_found"] == at["objects_right"] == 0.5
    assert at["object_error_m"] == pytest.approx((np.hypot(1, 0.5) + 5) / 2)
    assert at["lateral_offset_m"] == pytest.approx(0.3)
    assert at["lead_presence_accuracy"] == 1


def test_pictures_of_actors_are_scored_where_actors_are() -> None:
    truth = SceneState.empty((1, 5))
    truth.object_kinds[..., 0] = 1
    truth.objects[..., 0, :] = 8, 0, 0, 0, 4.5, 1.8
    r = rollouts(truth, truth)
    frames = r.frames.copy()
    frames[..., :40, :] = 255  # far from the car ahead
    scores = actor_picture_scores(replace(r, frames=frames), ActorMap(CONFIG.camera, (128, 128), 0.1), 0.1)["0.5"]
    assert scores["model"] == pytest.approx(20 * np.log10(255 / 10))
    assert scores["repeat"] == pytest.approx(20 * np.log10(255 / 40))


def test_each_trust_is_scored_by_the_signals_it_weighs() -> None:
    """The frames get worse, which the last signal tells, and the first ones do not."""
    truth = SceneState.empty((1, 40))
    frames = np.zeros((1, 40, 128, 128, 3), np.uint8)
    frames[:] = np.arange(40, dtype=np.uint8)[:, None, None, None]
    signals = np.random.default_rng(0).random((1, 40, len(FULL_SIGNALS))).astype(np.float32)
    signals[..., -1] = np.arange(40)
    r = replace(rollouts(truth, truth), frames=frames, signals=signals)
    free, full = TrustModel(len(FREE_SIGNALS)), TrustModel(len(FULL_SIGNALS))
    free.weight.fill_(1.0)
    full.weight[-1] = 1.0
    assert trust_scores(r, full)["auroc"] == 1.0
    assert trust_scores(r, full)["mean_of_worst"] < trust_scores(r, full)["mean_of_others"]
    assert 0 < trust_scores(r, free)["auroc"] < 1.0


def test_long_drives_answer_to_their_driver() -> None:
    clips = [random_clip(6, seed) for seed in (0, 1)]
    drives = long_drives(random_model(), clips, 8)
    assert drives.frames.shape == (2, 8, 128, 128, 3)
    assert drives.scenes.ego.shape == drives.decoded.ego.shape == (2, 8, 4)
    assert (drives.scenes.lane_valid[:, :, 0]).all()  # the route is known
    scores = stability_scores(drives, clips)
    assert set(scores) == {f"quarter_{k}" for k in range(1, 5)}
    assert all(np.isfinite(value) for quarter in scores.values() for value in quarter.values())
