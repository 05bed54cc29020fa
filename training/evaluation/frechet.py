"""How far generated pictures are from true ones in the features of the Yardstick: Frechet distance over clips.

A clip of CLIP_FRAMES frames has three numbers a channel: the mean over space and time, the deviation over space (mean
over time), and the deviation over time of the mean over space, by which a frozen clip differs from one that moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from training.evaluation.image_metrics import frechet_distance
from training.evaluation.yardstick import Yardstick

CLIP_FRAMES = 5
SPANS = {"0-1": (0.0, 1.0), "1-3": (1.0, 3.0), "3-10": (3.0, 10.0), "10-60": (10.0, 60.0)}
"""Clips that end within these times after the start are compared with each other [s]."""
CLIPS_AT_A_TIME = 8
"""So many go through the yardstick together."""
DENSE_SECONDS, SPARSE_SECONDS = 10.0, 2.0
"""So long every clip is looked at, from then on one every so many seconds [s]."""


def clip_ends(num_frames: int, dt: float) -> np.ndarray:
    """Times after the start at which the clips end that are looked at in rollouts of so many frames, [k] [s]."""
    length = dt * CLIP_FRAMES
    ends = length * (1 + np.arange(num_frames // CLIP_FRAMES))
    every = max(1, round(SPARSE_SECONDS / length))
    order = np.arange(len(ends)) - int(DENSE_SECONDS / length + 1e-6)
    return ends[(order < 0) | (order % every == every - 1)]


def clips_at(frames: np.ndarray, ends: np.ndarray, dt: float) -> np.ndarray:
    """The frames of the clips that end at these times, uint8 [k * CLIP_FRAMES, h, w, 3]; frame 0 is one step after the
    start."""
    last = np.round(ends / dt).astype(int) - 1
    index = last[:, None] + np.arange(1 - CLIP_FRAMES, 1)
    return frames[index.ravel()]


def clip_features(maps: Float[Tensor, "t c h w"]) -> Float[Tensor, "k d"]:
    """Features of the whole clips in the feature maps of `t` frames, CLIP_FRAMES after CLIP_FRAMES; d = 3 c."""
    num = len(maps) // CLIP_FRAMES
    if not num:
        return maps.new_zeros(0, 3 * maps.shape[1])
    clips = rearrange(maps[: num * CLIP_FRAMES], "(k f) c h w -> k f c (h w)", k=num, f=CLIP_FRAMES)
    means, deviations = clips.mean(-1), clips.std(-1, correction=0)
    return torch.cat([means.mean(1), deviations.mean(1), means.std(1, correction=0)], dim=-1)


def frames_to_features(yardstick: Yardstick, frames: np.ndarray) -> np.ndarray:
    """Clip features, float32 [k, d], of the whole clips in uint8 frames [t, h, w, 3]."""
    size = CLIP_FRAMES * CLIPS_AT_A_TIME
    parts = [frames[k : k + size] for k in range(0, max(len(frames), 1), size)]
    return np.concatenate([clip_features(yardstick.feature_maps(part)).cpu().numpy() for part in parts])


def frechet_score(
    ours: Sequence[np.ndarray], truth: Sequence[np.ndarray], rng: np.random.Generator, num_resamples: int = 100
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


def span_scores(features: Mapping[str, Sequence[np.ndarray]], ends: np.ndarray, rng: np.random.Generator) -> dict:
    """Distances from the truth for each of SPANS.

    Args:
        features: by name, with "truth" among them, the clip features [k, d] of each start; starts may have fewer clips
            than there are `ends`, but as many under each name.
        ends: when the clips end [s].

    Returns:
        For each span the number of "clips" and of each name `frechet_score`; spans with fewer than two starts or clips
        are left out.
    """
    scores = {}
    for span, (first, last) in SPANS.items():
        inside = (ends > first + 1e-6) & (ends <= last + 1e-6)
        chosen = {name: [c[inside[: len(c)]] for c in values] for name, values in features.items()}
        chosen = {name: [c for c in values if len(c)] for name, values in chosen.items()}
        num_clips = sum(len(c) for c in chosen["truth"])
        if len(chosen["truth"]) < 2 or num_clips < 2:
            continue
        distances = {n: frechet_score(values, chosen["truth"], rng) for n, values in chosen.items() if n != "truth"}
        scores[span] = {"clips": num_clips, **distances}
    return scores
