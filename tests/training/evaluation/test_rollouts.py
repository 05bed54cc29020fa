"""Short rollouts, and what they are worth, on recordings whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from known_drives import turning_car
from tiny_model import random_clip, random_model

from training.data.validity import known_of
from training.evaluation.closed_loop import drive_closed_loop, fair_clips
from training.evaluation.metrics import event_scores, tracked_scores, trust_scores
from training.evaluation.rollouts import Rollouts, roll_out_recorded
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS, TrustModel


def test_rollouts_stand_beside_the_frames_they_are_held_against() -> None:
    store = turning_car(40)
    positions = np.array([10, 36])
    r = roll_out_recorded(random_model(), store, positions, 6, 2)  # type: ignore[arg-type]
    assert r.valid.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert r.errors.shape == r.collision.shape == (2, 6)
    assert (r.errors > 100).all()  # the truth is noise
    assert r.true_scenes.ego[0, :, 0] == pytest.approx(store.rows.scenes.ego[11:17, 0])
    assert r.signals.shape == (2, 6, len(FULL_SIGNALS))


def test_what_happened_in_the_context_is_no_truth_of_a_rollout() -> None:
    clean, poisoned = turning_car(40), turning_car(40)
    positions = np.array([20])
    for name in ("collision", "off_road"):
        getattr(poisoned.rows, name)[:21] = 1.0
    ours, other = (
        roll_out_recorded(random_model(), store, positions, 6, 1)  # type: ignore[arg-type]
        for store in (clean, poisoned)
    )
    np.testing.assert_equal(event_scores(ours, 0.1), event_scores(other, 0.1))
    assert np.array_equal(ours.errors, other.errors)


def rollouts(ours: SceneState, truth: SceneState) -> Rollouts:
    n, t = truth.command.shape
    zeros = np.zeros((n, t))
    return Rollouts(
        errors=zeros + 100,
        tracked=ours,
        true_scenes=truth,
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
    at = tracked_scores(rollouts(ours, truth), 0.1)["0.5"]
    assert at["objects_found"] == at["objects_right"] == 0.5
    assert at["object_error_m"] == pytest.approx((np.hypot(1, 0.5) + 5) / 2)
    assert at["lateral_offset_m"] == pytest.approx(0.3)
    assert at["lead_presence_accuracy"] == 1


def test_events_are_scored_with_their_calibration() -> None:
    truth = SceneState.empty((3, 12))
    hit = np.zeros((3, 12))
    hit[:2, 5:] = 1.0
    r = rollouts(truth, truth)
    scores = event_scores(replace(r, true_collision=hit, collision=0.8 * hit + 0.1), 0.1)["collision"]
    assert scores["auroc"] == 1
    assert scores["positives"] == 14
    assert scores["calibration"]["expected_calibration_error"] == pytest.approx(0.1)


def test_each_trust_is_scored_by_the_signals_it_weighs() -> None:
    """The frames get worse, which the last signal tells, and the first ones do not."""
    truth = SceneState.empty((1, 40))
    signals = np.random.default_rng(0).random((1, 40, len(FULL_SIGNALS))).astype(np.float32)
    signals[..., -1] = np.arange(40)
    r = replace(rollouts(truth, truth), errors=np.arange(40.0)[None], signals=signals)
    free, full = TrustModel(len(FREE_SIGNALS)), TrustModel(len(FULL_SIGNALS))
    free.weight.fill_(1.0)
    full.weight[-1] = 1.0
    assert trust_scores(r, full)["auroc"] == 1.0
    assert trust_scores(r, full)["mean_of_worst"] < trust_scores(r, full)["mean_of_others"]
    assert 0 < trust_scores(r, free)["auroc"] < 1.0


def test_clips_that_begin_in_contact_or_off_the_road_are_left_out() -> None:
    fair = random_clip()
    touched, route = fair.scenes.copy(), fair.route.copy()
    touched.objects[:, 0, 0] = 2.0
    route[:, 1] += 30.0
    clips = [replace(fair, scenes=touched), fair, replace(fair, route=route)]
    assert fair_clips(random_model(), clips) == [fair]


def test_closed_loop_drives_answer_to_their_driver() -> None:
    drives = drive_closed_loop(random_model(), [random_clip(6, seed) for seed in (0, 1)], 8)
    assert drives.scenes.ego.shape == (2, 8, 4)
    assert drives.red_light.shape == (2, 8)
    assert (drives.scenes.lane_valid[:, :, 0]).all()  # the route is known
