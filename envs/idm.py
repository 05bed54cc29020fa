"""Intelligent Driver Model: how fast to go behind a lead. Vectorised, numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class IDMConfig:
    """Parameters of the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000).

    Args:
        acceleration: a [m/s²].
        comfortable_braking: b [m/s²].
        hardest_braking: the answer is clipped here [m/s²].
        standstill_gap: s0 [m].
        exponent: δ, of the free-road term.
    """

    acceleration: float = 1.8
    comfortable_braking: float = 2.5
    hardest_braking: float = 8.0
    standstill_gap: float = 2.5
    exponent: float = 4.0


def idm(
    speed: np.ndarray | float,
    desired_speed: np.ndarray | float,
    gap: np.ndarray | float,
    lead_speed: np.ndarray | float,
    headway: np.ndarray | float,
    config: IDMConfig,
) -> np.ndarray:
    """Acceleration [n] of `n` drivers, or of a single one given as numbers [m/s²].

    Args:
        speed: own, [n] [m/s].
        desired_speed: v0, [n] [m/s].
        gap: bumper to bumper, [n] [m]; infinite on a free road.
        lead_speed: along the own path, [n] [m/s].
        headway: T, [n] [s].
        config: the other parameters.
    """
    return idm_formula(
        speed,
        desired_speed,
        gap,
        lead_speed,
        headway,
        config.acceleration,
        config.comfortable_braking,
        config.hardest_braking,
        config.standstill_gap,
        config.exponent,
    )


def idm_formula(speed, desired_speed, gap, lead_speed, headway, a, b, hardest, standstill_gap, exponent):
    """`idm` with the parameters one by one, for arrays as for numbers; envs.road.traffic compiles it."""
    closing = speed * (speed - lead_speed) / (2 * np.sqrt(a * b))
    desired_gap = standstill_gap + np.maximum(0.0, speed * headway + closing)
    free = 1.0 - (np.maximum(speed, 0.0) / np.maximum(desired_speed, 0.1)) ** exponent
    following = (desired_gap / np.maximum(gap, 0.1)) ** 2
    return np.minimum(np.maximum(a * (np.maximum(free, -b / a) - following), -hardest), a)
