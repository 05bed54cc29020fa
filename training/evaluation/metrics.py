"""What drives in the learned world are worth: pictures, scenes, controls and events against the truth; numbers out."""

from __future__ import annotations

import numpy as np
import torch

from training.evaluation.image_metrics import (
    auroc,
    calibration,
    colour_statistics,
    drift_horizon,
    psnr,
    sharpness,
    ssim,
)
from training.evaluation.rollouts import LongDrives, Rollouts
from worldsim.conditioning.actor_map import ActorMap
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.dynamics.trust import TrustModel

OBJECT_NEAR = 30.0
"""Objects in the picture up to this far ahead are looked for [m]."""
OBJECT_FOUND = 2.0
"""One of the same kind within this distance counts as found [m]."""


def picture_scores(r: Rollouts, dt: float) -> dict:
    """PSNR and SSIM per horizon of the rollouts, of repeating the last context frame and of the VAE alone."""
    masked = {
        name: np.where(r.valid, psnr(frames, r.truth), np.nan)
        for name, frames in (("model", r.frames), ("repeat", r.repeated), ("vae", r.reconstructed))
    }
    scores: dict = {"drift_horizon_s": drift_horizon(masked["model"], masked["repeat"], dt), "horizons": {}}
    for seconds in (0.1, 0.5, 1.0, 2.0, 3.0, 6.0):
        t = round(seconds / dt) - 1
        if t >= r.frames.shape[1] or not r.valid[:, t].any():
            continue
        at = r.valid[:, t]
        scores["horizons"][f"{seconds:g}"] = {
            **{f"psnr_{name}": float(np.nanmedian(values[:, t])) for name, values in masked.items()},
            "ssim_model": ssim(r.frames[at, t], r.truth[at, t]),
            "ssim_repeat": ssim(r.repeated[at, t], r.truth[at, t]),
            "starts": int(at.sum()),
        }
    scores["psnr_curves"] = {name: np.nanmedian(values, axis=0).round(3).tolist() for name, values in masked.items()}
    return scores


def actor_picture_scores(r: Rollouts, actor_map: ActorMap, dt: float) -> dict:
    """PSNR [dB] over those pixels alone that actors cover in the truth, per horizon."""
    scores = {}
    for seconds in (0.5, 1.0, 2.0, 3.0):
        t = round(seconds / dt) - 1
        if t >= r.frames.shape[1]:
            continue
        scene = r.true_scenes[:, t]
        drawn = actor_map(torch.from_numpy(scene.objects), torch.from_numpy(scene.object_kinds))
        covered = drawn.coverage.repeat_interleave(8, dim=-2).repeat_interleave(8, dim=-1).numpy() > 0.5
        covered &= r.valid[:, t, None, None]
        if not covered.any():
            continue
        truth = r.truth[:, t][covered].astype(np.float64)
        scores[f"{seconds:g}"] = {
            name: float(10 * np.log10(255**2 / max(((frames[:, t][covered] - truth) ** 2).mean(), 255**2 / 1e6)))
            for name, frames in (("model", r.frames), ("repeat", r.repeated), ("vae", r.reconstructed))
        }
    return scores


def scene_scores(ours: SceneState, r: Rollouts, dt: float) -> dict:
    """Median errors of SceneStates [n, t] of rollouts per horizon, and the share of true objects that are in them; nan
    where the truth is not known."""
    scores = {}
    for seconds in (0.1, 0.5, 1.0, 2.0, 3.0):
        t = round(seconds / dt) - 1
        if t >= r.frames.shape[1]:
            continue
        now, truth, valid = ours[:, t], r.true_scenes[:, t], r.valid[:, t]
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
    }


def _in_picture(scene: SceneState, n: int) -> np.ndarray:
    x, y = scene.objects[n, :, 0], scene.objects[n, :, 1]
    return scene.object_valid[n] & (x > 3.0) & (np.abs(y) < 0.8 * x) & (x < OBJECT_NEAR)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def control_scores(r: Rollouts, shuffled: Rollouts, dt: float) -> dict:
    """Does the picture follow the controls: decoded speed and yaw rate over 3 s against the reference's, if known."""
    t = min(r.frames.shape[1], round(3.0 / dt))
    scores = {}
    for k, (name, column) in enumerate((("speed", 0), ("yaw_rate", 2))):
        valid = r.valid[:, :t] & r.true_scenes.ego_valid[:, :t, column]
        if not valid.any():
            continue
        truth = r.true_scenes.ego[:, :t, column][valid]
        ours, other = r.decoded_ego[:, :t, k][valid], shuffled.decoded_ego[:, :t, k][valid]
        error, wrong = np.abs(ours - truth).mean(), np.abs(other - truth).mean()
        scores[name] = {
            "correlation": float(np.corrcoef(ours, truth)[0, 1]),
            "mean_error": float(error),
            "shuffled_over_own_error": float(wrong / max(error, 1e-9)),
        }
    return scores


def event_scores(r: Rollouts, dt: float) -> dict:
    """AUROC and calibration of collision and off-road probabilities on generated frames of the first 3 s whose truth is
    known."""
    t = min(r.frames.shape[1], round(3.0 / dt))
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
                "calibration": calibration(probabilities, labels),
            }
    return scores


def trust_scores(r: Rollouts, model: TrustModel) -> dict:
    """Does trust tell the frames whose error is above the 95th percentile: AUROC on pixels, and mean trust of both."""
    error = ((r.frames.astype(np.float32) - r.truth) ** 2).mean((-3, -2, -1))[r.valid]
    trust = model(torch.from_numpy(r.signals[r.valid]).to(model.bias.device)).cpu().numpy()
    worst = error > np.quantile(error, 0.95)
    return {
        "auroc": auroc(-trust, worst),
        "mean_of_worst": float(trust[worst].mean()) if worst.any() else float("nan"),
        "mean_of_others": float(trust[~worst].mean()),
    }


def violation_scores(drives: LongDrives, dt: float) -> dict:
    """Red lights run and stop signs missed in long drives, and how often; empty where lights and signs are unknown."""
    known = drives.scenes.signal_valid
    if not known.any():
        return {}
    km = float((drives.scenes.speed * known).sum()) * dt / 1000.0
    counts = {"red_lights_run": drives.red_light, "stop_signs_missed": drives.stop_sign_missed}
    scores: dict = {"known_km": km}
    for name, happened in counts.items():
        count = int(happened.sum())
        scores[name] = {"count": count, "per_km": count / km if km > 0 else 0.0}
    return scores


def stability_scores(drives: LongDrives, clips: list[StartClip]) -> dict:
    """Long drives at quarters of their length: sharpness, colour and motion against their start clips, and whether the
    lane decoded from the picture lies where the route says (`decoded_lane_error_m`, `decoded_heading_error_deg`)."""
    frames, scenes, decoded = drives.frames, drives.scenes, drives.decoded
    start_frames = np.stack([clip.frames[-1] for clip in clips])
    base_sharpness, base_colour = sharpness(start_frames).mean(), start_frames.mean((1, 2))
    base_statistics = colour_statistics(start_frames)
    scores = {}
    t = frames.shape[1]
    for part in range(1, 5):
        at = slice(max(0, part * t // 4 - max(2, t // 20)), part * t // 4)
        now = frames[:, at]
        flat = now.reshape(-1, *now.shape[2:])
        moving = np.abs(np.diff(now.astype(np.int16), axis=1)).mean()
        ratios = {
            f"{name}_ratio": value / max(base_statistics[name], 1e-6) for name, value in colour_statistics(flat).items()
        }
        scores[f"quarter_{part}"] = {
            "sharpness_ratio": float(sharpness(flat).mean() / base_sharpness),
            "colour_shift": float(np.abs(now.mean((1, 2, 3)) - base_colour).mean()),
            **ratios,
            "frame_change": float(moving),
            "speed_mps": float(scenes.speed[:, at].mean()),
            "abs_lateral_offset_m": float(np.abs(scenes.lateral_offset[:, at]).mean()),
            "decoded_lane_error_m": _median(np.abs(decoded.lateral_offset - scenes.lateral_offset)[:, at].ravel()),
            "decoded_heading_error_deg": _median(
                np.degrees(np.abs(decoded.heading_error - scenes.heading_error))[:, at].ravel()
            ),
            "off_road_probability": float(drives.off_road[:, at].mean()),
        }
    return scores
