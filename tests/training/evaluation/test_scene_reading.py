"""What counts as found, as right and as an error, on constructed scenes."""

import numpy as np
import pytest

from training.evaluation.scene_reading import ReadScene, TrueScene, reading_scores, user_scores
from worldsim.conditioning.object_grid import VisibleObjects
from worldsim.datatypes.scene import ObjectKind, SceneState

CAR, PEDESTRIAN = int(ObjectKind.CAR), int(ObjectKind.PEDESTRIAN)


def scene_with(*objects: tuple[int, float, float]) -> SceneState:
    """A picture with objects (kind, x, y)."""
    scene = SceneState.empty((1,))
    for k, (kind, x, y) in enumerate(objects):
        scene.object_kinds[0, k], scene.objects[0, k, :2] = kind, (x, y)
    return scene


def visible(*objects: tuple[int, float, float, int]) -> VisibleObjects:
    """Objects (kind, x, y, pixels) in one picture."""
    return VisibleObjects(
        pictures=np.zeros(len(objects), np.int64),
        kinds=np.array([o[0] for o in objects], np.int64),
        objects=np.array([[o[1], o[2], 0, 0, 4, 2] for o in objects], np.float32).reshape(-1, 6),
        pixels=np.array([o[3] for o in objects], np.int64),
        middles=np.zeros((len(objects), 2), np.float32),
    )


def test_a_user_is_found_within_two_metres_or_a_tenth_of_its_distance() -> None:
    truth = visible((CAR, 10, 0, 100), (CAR, 28, 0, 100))
    scores = user_scores(scene_with((CAR, 11.9, 0), (CAR, 30.7, 0)), truth)
    assert scores["users_found"] == 1
    assert scores["users_right"] == 1
    assert scores["num_users"] == 2
    assert scores["user_error_m"] == pytest.approx((1.9 + 2.7) / 2)
    scores = user_scores(scene_with((CAR, 12.1, 0), (CAR, 24.9, 0)), truth)
    assert scores["users_found"] == 0
    assert scores["users_right"] == 0


def test_each_user_is_found_by_another_object() -> None:
    truth = visible((CAR, 10, 0, 100), (CAR, 11, 0, 100))
    assert user_scores(scene_with((CAR, 10.5, 0)), truth)["users_found"] == 0.5
    twice = user_scores(scene_with((CAR, 10, 0), (CAR, 10.2, 0)), visible((CAR, 10, 0, 100)))
    assert (twice["users_found"], twice["users_right"]) == (1, 0.5)
    # the only assignment that finds both gives the nearest to the other one
    truth = visible((CAR, 10, 0, 100), (CAR, 12.8, 0, 100))
    assert user_scores(scene_with((CAR, 10.9, 0), (CAR, 8.6, 0)), truth)["users_found"] == 1


def test_who_is_small_far_or_absent_is_not_missed_and_what_is_not_there_is_wrong() -> None:
    truth = visible((CAR, 10, 0, 29), (CAR, 31, 0, 100), (PEDESTRIAN, 8, 3, 30))
    scores = user_scores(scene_with((CAR, 10, 0), (CAR, 8, 3), (CAR, 20, 9)), truth)
    assert scores["num_users"] == 1
    assert scores["users_found"] == scores["pedestrian_found"] == scores["found_0_10_m"] == 1
    assert scores["users_of_right_kind"] == 0
    assert scores["users_right"] == pytest.approx(2 / 3)
    assert scores["faint_users_found"] == 1
    nobody = user_scores(scene_with(), truth)
    assert nobody["users_found"] == 0
    assert np.isnan(nobody["users_right"])
    empty = user_scores(scene_with((CAR, 9, 9)), visible())
    assert np.isnan(empty["users_found"])
    assert empty["users_right"] == 0


def test_errors_and_correlations_are_those_of_what_is_known() -> None:
    n = 50
    rng = np.random.default_rng(0)
    true = SceneState.empty((n,))
    true.lane[:, 0], true.lane_valid[:] = rng.normal(size=n), True
    true.lane_valid[0] = False
    true.ego[:, [0, 2]], true.ego_valid[:] = rng.normal(size=(n, 2)), True
    true.lead_valid[: n // 2], true.lead[:, 0] = True, 20
    ours = true.copy()
    ours.lane[:, 0] += 0.05
    ours.lane[0, 0] += 9
    ours.lead[:, 0] = 22
    truth = TrueScene(scene=true, visible=visible(), collision=np.arange(n) > 25, off_road=np.zeros(n, bool))
    ego = true.ego[:, [0, 2]] * [1, -1]
    scores = reading_scores(ReadScene(ours, ego, truth.collision * 0.9, np.zeros(n)), truth)
    assert scores["lane_error_m"] == pytest.approx(0.05, abs=1e-5)
    assert scores["lane_error_mean_m"] == pytest.approx(0.05, abs=1e-5)
    assert scores["speed_correlation"] == pytest.approx(1)
    assert scores["yaw_rate_correlation"] == pytest.approx(-1)
    assert scores["lead_gap_relative"] == pytest.approx(0.1)
    assert scores["lead_presence_accuracy"] == 1
    assert scores["collision_auroc"] == 1
    assert np.isnan(scores["off_road_auroc"])
    true.lead_valid[:] = ours.lead_valid[:] = False
    scores = reading_scores(ReadScene(ours, ego, truth.collision * 0.9, np.zeros(n)), truth)
    assert np.isnan(scores["lead_presence_accuracy"])
