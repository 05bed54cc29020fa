"""Habits of drivers: the speed each likes, and the time it leaves to its lead. Told by how it drives, else drawn."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from worldsim.actors.actor_features import GAP_UNIT, SPEED_UNIT

USUAL_LIMIT = 50.0 / 3.6
"""Taken for a speed limit that is not known [m/s]."""
STANDSTILL_GAP = 2.5
"""Left to a lead that stands [m]."""
NUM_HABIT_FEATURES = 4
HABIT_MEAN, HABIT_SCALE = (0.9, 1.5), (0.1, 0.3)
"""Of pace [share of the limit] and headway [s]: about what is usual, and by how much drivers differ."""
HABIT_LOW, HABIT_HIGH = (0.3, 0.6), (1.4, 3.0)
"""Nobody has a lesser or greater pace and headway than these."""
LEAST_SPREAD = -3.0
"""Of the log standard deviation that is told."""


class HabitColumn(IntEnum):
    """What drivers differ in."""

    PACE = 0
    HEADWAY = 1


class SeenColumn(IntEnum):
    """Columns of `actor_features` that habits are compared with."""

    SPEED = 0
    GAP = 22
    LIMIT = 40


def habit_features(seen: Tensor, habits: Tensor) -> Tensor:
    """What a driver's habits mean where it is, of about unit size, [..., NUM_HABIT_FEATURES].

    Args:
        seen: `actor_features` [..., f].
        habits: columns as of HabitColumn, [..., 2].
    """
    pace, headway = habits[..., HabitColumn.PACE], habits[..., HabitColumn.HEADWAY]
    speed, gap = SPEED_UNIT * seen[..., SeenColumn.SPEED], GAP_UNIT * seen[..., SeenColumn.GAP]
    limit = SPEED_UNIT * seen[..., SeenColumn.LIMIT]
    limit = torch.where(limit > 0, limit, USUAL_LIMIT)
    columns = (
        (pace - HABIT_MEAN[0]) / HABIT_SCALE[0],
        (headway - HABIT_MEAN[1]) / HABIT_SCALE[1],
        ((pace * limit - speed) / 2).clamp(-3, 3),
        ((gap - STANDSTILL_GAP - headway * speed) / 5).clamp(-3, 3),
    )
    return torch.stack(columns, dim=-1)


def habits_of(told: Tensor, noise: Tensor) -> Tensor:
    """Habits [..., 2] drawn from what is `told` of them, means and log deviations [..., 4], by standard normal `noise`
    [..., 2]."""
    mean, scale = told.new_tensor(HABIT_MEAN), told.new_tensor(HABIT_SCALE)
    spread = told[..., 2:].clamp(LEAST_SPREAD, 1.0).exp()
    drawn = mean + scale * (told[..., :2] + spread * noise)
    return drawn.clamp(told.new_tensor(HABIT_LOW), told.new_tensor(HABIT_HIGH))


def habit_likelihood(told: Tensor, habits: Tensor) -> Tensor:
    """Mean negative log-likelihood of habits [..., 2] under what is `told` of them; NaN among them do not count."""
    known = torch.isfinite(habits)
    z = (torch.where(known, habits, 0.0) - told.new_tensor(HABIT_MEAN)) / told.new_tensor(HABIT_SCALE)
    log_spread = told[..., 2:].clamp(LEAST_SPREAD, 1.0)
    each = log_spread + 0.5 * ((z - told[..., :2]) / log_spread.exp()) ** 2
    return (each * known).sum() / known.sum().clamp(min=1)


def habit_noise(shape: tuple[int, int], draws: Sequence[Sequence[int]]) -> np.ndarray:
    """Standard normal numbers [b, s, 2] of each world's own `draws`."""
    return np.stack([np.random.default_rng([*draw, 3]).standard_normal((shape[1], 2)) for draw in draws])
