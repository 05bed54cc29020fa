"""What short rollouts are worth: what is tracked, events and trust against the truth; numbers out."""

from __future__ import annotations

import numpy as np
import torch

from training.evaluation.image_metrics import auroc, calibration
from training.evaluation.rollouts import Rollouts
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.trust import TrustModel

OBJECT_NEAR = 30.0
"""Objects in the picture up to this far ahead are looked for [m]."""
OBJECT_FOUND = 2.0
"""One of the same kind within this distance counts as found [m]."""


def tracked_scores(r: Rollouts, dt: float) -> dict:
    """Median errors of the tracked SceneState of rollouts per horizon, and the share of true objects that are in it;
    nan where the truth is not known."""
    scores = {}
    for seconds in (0.1, 0.5, 1.0, 2.0, 3.0):
        t = round(seconds / dt) - 1
        if t >= r.errors.shape[1]:
            continue
        now, truth, valid = r.tracked[:, t], r.true_scenes[:, t], r.valid[:, t]
        error = np.abs(now.lane - truth.lane)
        lane = valid & truth.lane_valid[:, 0]
        lead = valid & truth.lead_valid & now.lead_valid
        led, listed = valid & r.known.lead[:, t], valid & r.known.objects[:, t]
        gap = np.abs(now.lead[:, 0] - truth.lead[:, 0]) / np.maximum(truth.lead[:, 0], 2.0)
        present = np.mean((truth.lead_valid == now.lead_valid)[led]) if led.any() else np.nan
        scores[f"{seconds:g}"] = {
            "lateral_offset_m": _median(error[:, 0][lane]),
            "heading_deg": _median(np.degrees(error[:, 1][lane])),
            "lead_gap_relative": _median(gap[lead]),
            "lead_presence_accuracy": float(present),
            "rollouts": int(valid.sum()),
            "rollouts_in_lane": int(lane.sum()),
            "rollouts_with_lead": int(lead.sum()),
            **_object_scores(now[listed], truth[listed]),
        }
    return scores


def _object_scores(ours: SceneState, truth: SceneState) -> dict:
    """Recall and precision of the decoded objects in the picture, and how far off they are."""
    errors, found, right = [], 0, 0
    for n in range(len(truth.object_kinds)):
        a, b = (s.objects[n][_in_picture(s, n)] for s in (ours, truth))
        found += len(a)
        distance = np.hypot(*np.moveaxis(a[:, None, :2] - b[None, :, :2], -1, 0)) if len(a) and len(b) else None
        if distance is not None:
            errors += distance.min(0).tolist()
            right += int((distance.min(1) < OBJECT_FOUND).sum())
        else:
            errors += [np.inf] * len(b)
    errors = np.array(errors)
    return {
        "objects_found": float((errors < OBJECT_FOUND).mean()) if len(errors) else float("nan"),
        "objects_right": right / found if found else float("nan"),
        "object_error_m": _median(errors),
        "objects": len(errors),
    }


def _in_picture(scene: SceneState, n: int) -> np.ndarray:
    x, y = scene.objects[n, :, 0], scene.objects[n, :, 1]
    return scene.object_valid[n] & (x > 3.0) & (np.abs(y) < 0.8 * x) & (x < OBJECT_NEAR)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def event_scores(r: Rollouts, dt: float) -> dict:
    """AUROC and calibration of collision and off-road probabilities on generated frames of the first 3 s whose truth is
    known."""
    t = min(r.errors.shape[1], round(3.0 / dt))
    scores = {}
    for name, ours, truth, known in (
        ("collision", r.collision, r.true_collision, r.known.collision),
        ("decoded_collision", r.decoded_collision, r.true_collision, r.known.collision),
        ("off_road", r.off_road, r.true_off_road, r.known.off_road),
        ("decoded_off_road", r.decoded_off_road, r.true_off_road, r.known.off_road),
    ):
        at = (r.valid & known)[:, :t]
        if at.any():
            probabilities, labels = ours[:, :t][at], truth[:, :t][at] > 0.5
            scores[name] = {
                "auroc": auroc(probabilities, labels),
                "positives": int(labels.sum()),
                "frames": len(labels),
                "calibration": calibration(probabilities, labels),
            }
    return scores


def trust_scores(r: Rollouts, model: TrustModel) -> dict:
    """Does trust tell the frames whose error is above the 95th percentile: AUROC on pixels, and mean trust of both."""
    error = r.errors[r.valid]
    trust = model(torch.from_numpy(r.signals[r.valid]).to(model.bias.device)).cpu().numpy()
    worst = error > np.quantile(error, 0.95)
    return {
        "auroc": auroc(-trust, worst),
        "mean_of_worst": float(trust[worst].mean()) if worst.any() else float("nan"),
        "mean_of_others": float(trust[~worst].mean()),
        "frames": len(error),
    }
