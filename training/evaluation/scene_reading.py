"""How much of the truth the scene decoder reads from pictures: road users, lane, speed, yaw rate, events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from training.evaluation.image_metrics import auroc
from worldsim.conditioning.object_grid import VISIBLE_PIXELS, VisibleObjects
from worldsim.datatypes.scene import EgoColumn, ObjectKind, SceneState
from worldsim.scene_decoder import DecodedScene, SceneDecoder

RANGE = 30.0
"""Road users up to this far from the ego are looked for [m]."""
LEAST_PIXELS = 30
"""Those of which at least so many pixels are visible are to be found."""
FOUND_DISTANCE, FOUND_SHARE = 2.0, 0.1
"""One counts as found within this distance [m], or this share of its own distance where that is more."""


class ReadScene(NamedTuple):
    """What was decoded of `n` pictures: SceneState [n], ego speed and yaw rate [n, 2], collision and off_road [n]."""

    scene: SceneState
    ego: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueScene:
    """What is true of `n` pictures.

    Args:
        scene: SceneState [n].
        visible: the objects in them.
        collision: bool [n].
        off_road: bool [n].
    """

    scene: SceneState
    visible: VisibleObjects
    collision: np.ndarray
    off_road: np.ndarray


def read_pictures(decoder: SceneDecoder, frames: np.ndarray, chunk: int = 32) -> ReadScene:
    """What `decoder` reads from pictures.

    Args:
        frames: each with those before it, uint8 [n, k, h, w, 3].
        chunk: pictures at a time.
    """
    parts: list[DecodedScene] = []
    for first in range(0, len(frames), chunk):
        some = frames[first : first + chunk]
        parts.append(decoder.read(some, np.zeros((len(some), 4)), np.zeros(len(some), np.int64)))
    return ReadScene(
        scene=SceneState.concatenate([part.scene for part in parts]),
        ego=np.concatenate([part.ego for part in parts]),
        collision=np.concatenate([part.collision for part in parts]),
        off_road=np.concatenate([part.off_road for part in parts]),
    )


def reading_scores(read: ReadScene, truth: TrueScene) -> dict:
    """Shares of road users found, medians of errors [m, degrees], correlations of motion, AUROC of events; NaN where
    nothing is known."""
    ours, true = read.scene, truth.scene
    lane = np.abs(ours.lane - true.lane)
    in_lane = true.lane_valid[:, 0]
    both = true.lead_valid & ours.lead_valid
    gap = np.abs(ours.lead[:, 0] - true.lead[:, 0]) / np.maximum(true.lead[:, 0], 2.0)
    # where no picture has a lead, leads are not known: the reader denies them then, and would be right throughout
    agrees = true.lead_valid == ours.lead_valid if true.lead_valid.any() else np.zeros(0, bool)
    scores = {
        **user_scores(ours, truth.visible),
        "lane_error_m": _median(lane[in_lane, 0]),
        "lane_error_mean_m": float(lane[in_lane, 0].mean()) if in_lane.any() else float("nan"),
        "heading_error_deg": _median(np.degrees(lane[in_lane, 1])),
        "lead_gap_relative": _median(gap[both]),
        "lead_presence_accuracy": _share(agrees),
        "pictures": len(in_lane),
    }
    for k, (name, column) in enumerate((("speed", EgoColumn.SPEED), ("yaw_rate", EgoColumn.YAW_RATE))):
        known = true.ego_valid[:, column]
        a, b = read.ego[known, k], true.ego[known, column]
        scores[f"{name}_correlation"] = float(np.corrcoef(a, b)[0, 1]) if known.any() else float("nan")
        scores[f"{name}_error"] = float(np.abs(a - b).mean()) if known.any() else float("nan")
    for name in ("collision", "off_road"):
        scores[f"{name}_auroc"] = auroc(getattr(read, name), getattr(truth, name))
    return scores


def user_scores(scene: SceneState, visible: VisibleObjects) -> dict:
    """Which visible road users were found, and which of those found are there.

    Args:
        scene: decoded, SceneState [n].
        visible: the true ones in the same pictures.
    """
    distance = np.hypot(*visible.objects[:, :2].T)
    wanted = (visible.pixels >= LEAST_PIXELS) & (distance <= RANGE)
    limit = np.maximum(FOUND_DISTANCE, FOUND_SHARE * distance)
    found, is_kind = np.zeros(len(visible), bool), np.zeros(len(visible), bool)
    right: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for n in range(len(scene.object_kinds)):
        ours = np.flatnonzero(scene.object_valid[n])
        true = np.flatnonzero(visible.pictures == n)
        a, b = scene.objects[n, ours, :2], visible.objects[true, :2]
        near = np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])
        close = near <= limit[true]
        hit = np.zeros_like(close)
        pairs = linear_sum_assignment(~close)  # each is found by another one
        hit[pairs] = close[pairs]
        found[true] = hit.any(0)
        if len(ours):
            is_kind[true] = (hit & (scene.object_kinds[n, ours][:, None] == visible.kinds[true])).any(0)
            errors.append(near.min(0)[wanted[true]])
        in_range = np.hypot(a[:, 0], a[:, 1]) <= RANGE
        right.append(hit[in_range].any(1) if len(true) else np.zeros(in_range.sum(), bool))
    precise = np.concatenate(right) if right else np.zeros(0, bool)
    scores = {
        "users_found": _share(found[wanted]),
        "users_right": _share(precise),
        "users_of_right_kind": _share(is_kind[wanted & found]),
        "user_error_m": _median(np.concatenate(errors)) if errors else float("nan"),
        "num_users": int(wanted.sum()),
    }
    for kind in ObjectKind:
        if kind != ObjectKind.EMPTY:
            scores[f"{kind.name.lower()}_found"] = _share(found[wanted & (visible.kinds == kind)])
    for low, high in ((0, 10), (10, 20), (20, 30)):
        scores[f"found_{low}_{high}_m"] = _share(found[wanted & (distance >= low) & (distance < high)])
    faint = (visible.pixels >= VISIBLE_PIXELS) & (visible.pixels < LEAST_PIXELS) & (distance <= RANGE)
    return scores | {"faint_users_found": _share(found[faint])}


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")
