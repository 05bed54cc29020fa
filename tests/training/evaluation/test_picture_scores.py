"""Scores of held-out drives from constructed measures, and the table that they end in."""

from dataclasses import replace

import numpy as np
import pytest

from training.evaluation.drive_readings import Readings
from training.evaluation.measures import MadeMeasures, TruthMeasures, load_measures, save_measures
from training.evaluation.picture_scores import picture_scores
from training.evaluation.report import table
from worldsim.conditioning.object_grid import VisibleObjects
from worldsim.datatypes.scene import ObjectKind, SceneState

NUM = 40


def readings_of(offset: float) -> Readings:
    """Three pictures of a drive that gets faster, with a car 10 m ahead; the ego `offset` [m] left of its lane."""
    scene = SceneState.empty((3,))
    scene.lane[:, 0], scene.lane_valid[:] = offset, True
    scene.ego[:, 0], scene.ego[:, 2], scene.ego_valid[:] = (1.0, 2.0, 3.0), (0.0, 0.1, 0.2), True
    scene.object_kinds[:, 0], scene.objects[:, 0, 0] = ObjectKind.CAR, 10.0
    return Readings(scene.to_vector(), np.array([[1.0, 0.0], [2.0, 0.1], [3.0, 0.2]]), np.zeros((3, 2)))


def truth_of(seed: int, num: int = NUM) -> TruthMeasures:
    """Of the three pictures the first shows a car 11 m ahead, the last one more beside it."""
    features = np.random.default_rng(seed).standard_normal((num // 5, 3))
    return TruthMeasures(
        statistics=np.full((num, 4), 10.0, np.float32),
        repeat_psnr=np.linspace(30, 10, num).astype(np.float32),
        features=features,
        repeat_features=features + 3.0,
        truth=readings_of(0.2),
        visible=VisibleObjects(
            pictures=np.array([0, 2, 2]),
            kinds=np.full(3, int(ObjectKind.CAR)),
            objects=np.array([[11, 0, 0, 0, 4, 2], [11, 0, 0, 0, 4, 2], [11, 5, 0, 0, 4, 2]], np.float32),
            pixels=np.array([40, 40, 40]),
            middles=np.zeros((3, 2), np.float32),
        ),
        readings=readings_of(0.25),
        views=np.zeros((3, 4, 4, 3), np.uint8),
    )


def made_of(truth: TruthMeasures) -> MadeMeasures:
    num = len(truth.statistics)
    return MadeMeasures(
        statistics=truth.statistics * np.array([0.8, 1.0, 1.0, 1.0], np.float32),
        psnr=np.full(num, 25.0, np.float32),
        features=truth.features + 1.0,
        readings=readings_of(0.3),
        pose_error=np.arange(num, dtype=np.float32),
        views=truth.views + 1,
    )


def test_measures_are_kept_and_only_those_of_the_same_thing_are_read(tmp_path) -> None:
    truth, path = truth_of(0), tmp_path / "drives" / "truth_00.npz"
    assert load_measures(TruthMeasures, path, "one") is None
    save_measures(truth, path, "one")
    again = load_measures(TruthMeasures, path, "one")
    assert again is not None
    assert np.array_equal(again.features, truth.features)
    assert np.array_equal(again.readings.ego, truth.readings.ego)
    assert np.array_equal(again.visible.pictures, truth.visible.pictures)
    assert load_measures(TruthMeasures, path, "other") is None
    assert load_measures(MadeMeasures, path, "one") is None
    whole = path.read_bytes()
    half = len(whole) // 2
    for damaged in (whole[:-40], whole[:half] + bytes(64) + whole[half + 64 :]):
        path.write_bytes(damaged)
        assert load_measures(TruthMeasures, path, "one") is None


def test_scores_of_drives_are_those_of_their_measures() -> None:
    truth = [truth_of(seed) for seed in range(3)]
    made = [made_of(one) for one in truth]
    made[2] = replace(made[2], psnr=made[2].psnr[:20] - 6.0)  # it ends after 2 s
    truth[2] = replace(truth[2], repeat_psnr=truth[2].repeat_psnr[:20])
    scores = picture_scores(truth, made, 0.1)
    assert list(scores["psnr"]) == ["1", "3"]
    assert scores["psnr"]["1"]["model"] == 25
    assert scores["psnr"]["1"]["model_mean"] == pytest.approx(23)
    assert scores["psnr"]["3"]["drives"] == 2
    assert scores["psnr"]["3"]["repeat"] == pytest.approx(30 - 20 * 29 / 39)
    assert scores["drift_horizon_s"] == pytest.approx(4.0 * 0)
    assert scores["statistics"]["3"]["sharpness"] == {"ratio": pytest.approx(0.8), "deviation": pytest.approx(0.2)}
    assert scores["frechet"]["1-3"]["model"]["distance"] == pytest.approx(3.0)
    assert scores["frechet"]["1-3"]["repeat"]["distance"] == pytest.approx(27.0)
    true, ours = scores["decoded"]["true"], scores["decoded"]["made"]
    assert (true["users_found"], true["num_users"]) == (pytest.approx(2 / 3), 9)
    assert true["users_right"] == pytest.approx(2 / 3)
    assert (true["lane_error_m"], ours["lane_error_m"]) == (pytest.approx(0.05), pytest.approx(0.1))
    assert true["speed_correlation"] == pytest.approx(1)
    assert scores["pose_error_m"]["1"] == 9


def test_the_table_tells_what_is_asked_beside_what_is_there() -> None:
    truth = [truth_of(seed) for seed in range(3)]
    scores = picture_scores(truth, [made_of(one) for one in truth], 0.1)
    shown = table(
        {"towns": 2, "replayed": scores, "ablations": {"without_latents": {"title": "without latents", **scores}}}
    )
    assert "| replayed: drives | 3 in 2 towns | 48 in ≥ 20 towns |" in shown
    assert "| replayed: PSNR at 3 s | 25.0 dB (repeating 15.1) | ≥ 25.5 dB |" in shown
    assert "| replayed: sharpness over the truth's at 3 s | 0.80 | 0.9 to 1.1 |" in shown
    assert "1.00 / 1.00 / 1.00 (a drive is off by 0 % / 0 % / 0 %) | 0.95 to 1.05 |" in shown
    assert ", 0.11 of repeating's 27 | ≤ 0.33 of repeating's |" in shown
    assert "true frames 67 % found, made 67 % found (1.00 of true) | ≥ 75 %; made ≥ 0.9 of true |" in shown
    assert "true frames 0.05 m, made 0.10 m (2.00 of true) | ≤ 0.08 m; made ≤ 1.2 of true |" in shown
    assert "| without latents: PSNR at 1 / 3 s, sharpness | 25.0 / 25.0 dB, 0.80 |" in shown
    assert table({}).count("\n") == 1
