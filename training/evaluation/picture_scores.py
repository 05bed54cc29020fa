"""How well the pictures of held-out drives hold, from what was measured of every one; numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.drive_readings import join_readings, join_truth
from training.evaluation.frechet import clip_ends, span_scores
from training.evaluation.image_metrics import STATISTICS, drift_horizon
from training.evaluation.measures import MadeMeasures, TruthMeasures
from training.evaluation.scene_reading import reading_scores

PSNR_SECONDS = (1.0, 3.0, 10.0, 60.0)
STATISTIC_SECONDS = (3.0, 60.0)
"""Times after the start that are reported [s]; of drives that are shorter, the longest of these that they reach."""
STATISTIC_SPAN = 1.0
"""Sharpness and colours are means over so long before those times [s]."""
REACHED = 0.5
"""A time is reported that at least this share of the drives reaches."""


def picture_scores(truth: Sequence[TruthMeasures], made: Sequence[MadeMeasures], dt: float, seed: int = 0) -> dict:
    """Scores of drives, one after the other the same in both.

    Returns:
        "psnr": by time the median and the mean over drives of PSNR [dB], of repeating too. "psnr_curves": the medians
        after every step. "drift_horizon_s": how long they are above those of repeating [s]. "statistics": by time, mean
        of each of STATISTICS over the truth's ("ratio"), and how far the drives are from 1 on average, whichever way
        ("deviation"). "frechet": `span_scores`. "decoded": `reading_scores` of the true and of the made frames.
        "pose_error_m": by time, the median.
    """
    psnr = _padded([one.psnr for one in made])
    repeat = _padded([one.repeat_psnr for one in truth])
    pose_error = _padded([one.pose_error for one in made])
    scores: dict = {"drives": len(made), "psnr": {}, "statistics": {}, "pose_error_m": {}}
    for seconds, step in _reached(psnr, PSNR_SECONDS, dt):
        scores["psnr"][f"{seconds:g}"] = {
            "model": float(np.nanmedian(psnr[:, step])),
            "model_mean": float(np.nanmean(psnr[:, step])),
            "repeat": float(np.nanmedian(repeat[:, step])),
            "repeat_mean": float(np.nanmean(repeat[:, step])),
            "drives": int(np.isfinite(psnr[:, step]).sum()),
        }
        scores["pose_error_m"][f"{seconds:g}"] = float(np.nanmedian(pose_error[:, step]))
    for seconds, step in _reached(psnr, STATISTIC_SECONDS, dt):
        scores["statistics"][f"{seconds:g}"] = _statistic_scores(truth, made, step, dt)
    scores["drift_horizon_s"] = drift_horizon(psnr, repeat, dt)
    scores["psnr_curves"] = {
        name: np.nanmedian(values, axis=0).round(3).tolist() for name, values in (("model", psnr), ("repeat", repeat))
    }

    features = {
        "truth": [one.features for one in truth],
        "model": [one.features for one in made],
        "repeat": [one.repeat_features for one in truth],
    }
    scores["frechet"] = span_scores(features, clip_ends(psnr.shape[1], dt), np.random.default_rng(seed))
    there = join_truth([one.truth for one in truth], [one.visible for one in truth])
    scores["decoded"] = {
        name: reading_scores(join_readings([one.readings for one in side]), there)
        for name, side in (("true", truth), ("made", made))
    }
    return scores


def _statistic_scores(
    truth: Sequence[TruthMeasures], made: Sequence[MadeMeasures], step: int, dt: float
) -> dict[str, dict[str, float]]:
    span = slice(max(0, step + 1 - round(STATISTIC_SPAN / dt)), step + 1)
    there = [k for k, one in enumerate(truth) if len(one.statistics) > step]
    ours, true = (np.stack([side[k].statistics[span].mean(0) for k in there]) for side in (made, truth))
    return {
        name: {
            "ratio": float(ours[:, k].mean() / max(true[:, k].mean(), 1e-6)),
            "deviation": float(np.abs(ours[:, k] / np.maximum(true[:, k], 1e-6) - 1).mean()),
        }
        for k, name in enumerate(STATISTICS)
    }


def _padded(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Curves as rows [n, t] of one length, NaN where one has ended."""
    rows = np.full((len(curves), max(len(curve) for curve in curves)), np.nan)
    for row, curve in zip(rows, curves, strict=True):
        row[: len(curve)] = curve
    return rows


def _reached(values: np.ndarray, times: Sequence[float], dt: float) -> list[tuple[float, int]]:
    """Those of the times that enough rows of `values` [n, t] reach, with their steps."""
    steps = [(seconds, round(seconds / dt) - 1) for seconds in times]
    return [
        (seconds, step)
        for seconds, step in steps
        if step < values.shape[1] and np.isfinite(values[:, step]).mean() >= REACHED
    ]
