"""How far generated pictures are from true ones in the features of our own VAE: paired, and Frechet over clips.

A frame's feature map is what the encoder makes of it before it looks at frames together (`VAE3D.features`). A clip of
CLIP_FRAMES frames has three numbers a channel: the mean over space and time, the deviation over space (mean over time),
and the deviation over time of the mean over space, by which a frozen clip differs from one that moves.
"""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from training.evaluation.image_metrics import frechet_distance
from training.evaluation.rollouts import Rollouts
from worldsim.networks.vae3d import VAE3D, frames_to_float

CLIP_FRAMES = 5
SPANS = {"up to 1 s": (0.0, 1.0), "1 to 3 s": (1.0, 3.0), "from 3 s": (3.0, np.inf)}
"""Clips that end within these times after the start are compared with each other [s]."""
PAIRED_SECONDS = (0.5, 1.0, 3.0)
COMPARED = ("model", "repeat", "vae")
"""What is held against the truth."""


@torch.no_grad()
def feature_maps(vae: VAE3D, frames: np.ndarray) -> Float[Tensor, "t c h w"]:
    """Feature maps of uint8 frames [t, h, w, 3]."""
    return vae.features(frames_to_float(torch.from_numpy(np.ascontiguousarray(frames)).to(vae.latent_mean.device)))


def clip_features(maps: Float[Tensor, "t c h w"]) -> Float[Tensor, "k d"]:
    """Features of the whole clips in `t` consecutive frames, d = 3 c."""
    num = len(maps) // CLIP_FRAMES
    if not num:
        return maps.new_zeros(0, 3 * maps.shape[1])
    clips = rearrange(maps[: num * CLIP_FRAMES], "(k f) c h w -> k f c (h w)", k=num, f=CLIP_FRAMES)
    means, deviations = clips.mean(-1), clips.std(-1, correction=0)
    return torch.cat([means.mean(1), deviations.mean(1), means.std(1, correction=0)], dim=-1)


def paired_distance(a: Float[Tensor, "t c h w"], b: Float[Tensor, "t c h w"]) -> Float[Tensor, "t"]:
    """Mean squared difference of feature vectors of unit length, place by place (as in LPIPS, Zhang et al. 2018)."""
    return reduce((F.normalize(a, dim=1) - F.normalize(b, dim=1)) ** 2, "t c h w -> t h w", "sum").mean((1, 2))


def frechet_score(
    ours: list[np.ndarray], truth: list[np.ndarray], rng: np.random.Generator, num_resamples: int = 100
) -> dict:
    """Frechet distance of the clips of many starts, and its 95 % interval.

    The interval is that of a bootstrap over starts, whose clips are not independent. A resample holds starts twice
    and so lies too high; the interval is moved down by as much as its mean is above the distance.

    Args:
        ours: clip features [k, d] of each start.
        truth: the same of the truth, in the same order.
    """
    distance = frechet_distance(np.concatenate(ours), np.concatenate(truth))
    resampled = []
    for _ in range(num_resamples):
        chosen = rng.integers(0, len(ours), len(ours))
        resampled.append(frechet_distance(*(np.concatenate([side[i] for i in chosen]) for side in (ours, truth))))
    low, high = np.quantile(resampled, [0.025, 0.975]) - np.mean(resampled)
    return {"distance": distance, "interval": [max(0.0, distance + float(low)), distance + float(high)]}


def feature_scores(vae: VAE3D, r: Rollouts, dt: float, rng: np.random.Generator) -> dict:
    """Distances of the rollouts, of repeating the last context frame and of the VAE alone from the truth.

    Returns:
        "frechet": for each of SPANS the number of clips and of each kind `frechet_score`; spans with fewer than two
        starts or clips are left out. "paired": for each of PAIRED_SECONDS the median of `paired_distance`.
    """
    t = r.frames.shape[1]
    clips: dict[str, list[np.ndarray]] = {name: [] for name in ("truth", *COMPARED)}
    paired: dict[str, list[np.ndarray]] = {name: [] for name in COMPARED}
    for n in tqdm(range(len(r.frames)), desc="features", unit="start"):
        num = int(np.logical_and.accumulate(r.valid[n]).sum())
        maps = _feature_maps_of_start(vae, r, n, num)
        for name in clips:
            clips[name].append(clip_features(maps[name]).cpu().numpy())
        for name, values in paired.items():
            distance = np.full(t, np.nan)
            distance[:num] = paired_distance(maps[name], maps["truth"]).cpu().numpy()
            values.append(distance)
    return {"frechet": _span_scores(clips, t, dt, rng), "paired": _paired_scores(paired, r.valid, dt)}


def _feature_maps_of_start(vae: VAE3D, r: Rollouts, n: int, num: int) -> dict[str, Tensor]:
    """Feature maps of the first `num` frames of the truth and of each of COMPARED, from start `n`."""
    frames = {"truth": r.truth, "model": r.frames, "vae": r.reconstructed}
    maps = {name: feature_maps(vae, values[n, :num]) for name, values in frames.items()}
    maps["repeat"] = feature_maps(vae, r.repeated[n, :1]).expand_as(maps["truth"])
    return maps


def _span_scores(clips: dict[str, list[np.ndarray]], num_frames: int, dt: float, rng: np.random.Generator) -> dict:
    ends = dt * CLIP_FRAMES * (1 + np.arange(num_frames // CLIP_FRAMES))
    scores = {}
    for span, (first, last) in SPANS.items():
        inside = (ends > first + 1e-6) & (ends <= last + 1e-6)
        chosen = {name: [c[inside[: len(c)]] for c in values] for name, values in clips.items()}
        chosen = {name: [c for c in values if len(c)] for name, values in chosen.items()}
        num_clips = sum(len(c) for c in chosen["truth"])
        if len(chosen["truth"]) < 2 or num_clips < 2:
            continue
        distances = {name: frechet_score(chosen[name], chosen["truth"], rng) for name in COMPARED}
        scores[span] = {"clips": num_clips, **distances}
    return scores


def _paired_scores(paired: dict[str, list[np.ndarray]], valid: np.ndarray, dt: float) -> dict:
    scores = {}
    for seconds in PAIRED_SECONDS:
        at = round(seconds / dt) - 1
        if at < valid.shape[1] and valid[:, at].any():
            medians = {name: float(np.nanmedian(np.stack(values)[:, at])) for name, values in paired.items()}
            scores[f"{seconds:g}"] = medians
    return scores
