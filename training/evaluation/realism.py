"""Realism of simulated road users, scored in the way of the Waymo Open Sim Agents Challenge of 2025.

For each road user and feature, rollouts from one start give a histogram; its likelihood is that of the recorded future
under it. The realism meta-metric is the weighted mean of the likelihoods of ten features (Montali et al., The Waymo
Open Sim Agents Challenge, NeurIPS 2023; weights, ranges and bins as published for 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.evaluation.traffic_features import TrafficFeatures

PSEUDOCOUNT = 0.1
"""Added to every bin of a histogram."""
BERNOULLI_PSEUDOCOUNT = 0.001
"""Added to both bins of an event."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """How one feature is scored.

    Args:
        weight: in the meta-metric.
        bucket: "kinematic", "interactive" or "map".
        low: where the histogram begins; values below are clipped.
        high: where it ends; values above are clipped.
        bins: of the histogram; 0 for an event, of which it only counts whether it ever happens.
        vehicles_only: pedestrians are left out.
    """

    weight: float
    bucket: str
    low: float = 0.0
    high: float = 1.0
    bins: int = 0
    vehicles_only: bool = False


FEATURES: Mapping[str, FeatureConfig] = {
    "linear_speed": FeatureConfig(weight=0.05, bucket="kinematic", low=0.0, high=25.0, bins=10),
    "linear_acceleration": FeatureConfig(weight=0.05, bucket="kinematic", low=-12.0, high=12.0, bins=11),
    "angular_speed": FeatureConfig(weight=0.05, bucket="kinematic", low=-0.628, high=0.628, bins=11),
    "angular_acceleration": FeatureConfig(weight=0.05, bucket="kinematic", low=-3.14, high=3.14, bins=11),
    "distance_to_nearest_object": FeatureConfig(weight=0.1, bucket="interactive", low=-5.0, high=40.0, bins=10),
    "collision": FeatureConfig(weight=0.25, bucket="interactive"),
    "time_to_collision": FeatureConfig(
        weight=0.1, bucket="interactive", low=0.0, high=5.0, bins=10, vehicles_only=True
    ),
    "distance_to_road_edge": FeatureConfig(weight=0.05, bucket="map", low=-20.0, high=40.0, bins=10),
    "off_road": FeatureConfig(weight=0.25, bucket="map"),
    "red_light": FeatureConfig(weight=0.05, bucket="map", vehicles_only=True),
}
"""By the names of TrafficFeatures; weights sum to 1."""
BUCKETS = ("kinematic", "interactive", "map")


def histogram_log_likelihood(
    recorded: np.ndarray, simulated: np.ndarray, counted: np.ndarray, config: FeatureConfig
) -> np.ndarray:
    """Log-likelihoods [n, t] of recorded values [n, t] under the histogram of each road user's simulated ones, all
    rollouts and steps together.

    Args:
        recorded: values [n, t].
        simulated: values [r, n, t].
        counted: which of them count, bool [r, n, t].
        config: range and bins; 0 bins for bool values.
    """
    is_event = config.bins == 0
    low, high, bins = (-0.5, 1.5, 2) if is_event else (config.low, config.high, config.bins)

    def bin_of(values: np.ndarray) -> np.ndarray:
        share = (np.clip(values, low, high) - low) / (high - low)
        return np.minimum((share * bins).astype(np.int64), bins - 1)

    n = len(recorded)
    rows = np.broadcast_to(np.arange(n)[:, None], simulated.shape)[counted]
    counts = np.zeros((n, bins))
    np.add.at(counts, (rows, bin_of(np.where(counted, simulated, low))[counted]), 1.0)
    counts += BERNOULLI_PSEUDOCOUNT if is_event else PSEUDOCOUNT
    log_shares = np.log(counts / counts.sum(axis=1, keepdims=True))
    return np.take_along_axis(log_shares, bin_of(recorded), axis=1)


def likelihoods(recorded: TrafficFeatures, simulated: TrafficFeatures, is_vehicle: np.ndarray) -> dict[str, float]:
    """The likelihood in [0, 1] of each of FEATURES from one start; nan where no road user has it.

    Args:
        recorded: of the recorded future, one rollout, [1, n, t].
        simulated: of the rollouts, [r, n, t].
        is_vehicle: bool [n].
    """
    found = {}
    for name, config in FEATURES.items():
        truth, seen = recorded[name]
        made, made_seen = simulated[name]
        if config.vehicles_only:
            seen = seen & is_vehicle[:, None]
        truth, seen = truth[0], seen[0]
        if config.bins == 0:  # has it ever happened, where the recording shows the road user
            made, made_seen = _ever(made & seen), _ever(made_seen)
            truth, seen = _ever(truth & seen), _ever(seen)
        scored = seen & _ever(np.moveaxis(made_seen, 0, 1).reshape(len(seen), -1))
        logs = histogram_log_likelihood(truth, made, made_seen, config)
        found[name] = float(np.exp(logs[scored].mean())) if scored.any() else float("nan")
    return found


def _ever(happens: np.ndarray) -> np.ndarray:
    """Whether it is so at any step, bool [..., 1] of [..., t]."""
    return np.asarray(np.any(happens, axis=-1, keepdims=True))


def meta_metric(scores: Mapping[str, float], bucket: str | None = None) -> float:
    """The weighted mean of the likelihoods of FEATURES, or of one bucket's; those that are nan do not count."""
    kept = {
        name: config.weight
        for name, config in FEATURES.items()
        if bucket in (None, config.bucket) and np.isfinite(scores[name])
    }
    if not kept:
        return float("nan")
    return sum(weight * scores[name] for name, weight in kept.items()) / sum(kept.values())


def average_displacement(recorded: np.ndarray, simulated: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean distance [r] of road users [r, n, t, 2] from where they were recorded, [n, t, 2], where `counted`
    [r, n, t] [m]; nan of rollouts in which nobody counts."""
    apart = np.hypot(*np.moveaxis(simulated - recorded, -1, 0))
    number = counted.sum(axis=(1, 2))
    return np.where(number > 0, (apart * counted).sum(axis=(1, 2)) / np.maximum(number, 1), np.nan)
