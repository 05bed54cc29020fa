"""The trust stage: signals are weighted by how well they single out the worst frames of rollouts beside recordings,
once the free signals alone and once all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from training.data.frame_store import FrameStore
from training.data.starts import choose_starts, clip_at
from training.data.validity import known_of
from training.stages.loop import finish_stage, stage_done
from worldsim.dynamics.trust import FLOOR, FULL_SIGNALS, TrustModel
from worldsim.world_model import WorldModel

WORST = 0.95
"""Errors above this quantile are those that trust is to detect."""


@dataclass(frozen=True, kw_only=True)
class TrustStageConfig:
    """The rollouts that trust is fitted to.

    Args:
        num_starts: rollouts.
        seconds: their length [s].
        batch_size: rollouts side by side.
        seed: of starts and noise.
    """

    num_starts: int = 48
    seconds: float = 4.0
    batch_size: int = 16
    seed: int = 3

    def __post_init__(self) -> None:
        for name in ("num_starts", "seconds", "batch_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


def rollout_signals(model: WorldModel, store: FrameStore, config: TrustStageConfig) -> tuple[Tensor, Tensor]:
    """FULL_SIGNALS [n, k] of the frames of rollouts under recorded controls, and their squared errors [n], grey levels,
    against the recording's frames."""
    horizon = round(config.seconds / store.dt)
    rng = np.random.default_rng(config.seed)
    positions = choose_starts(store, config.num_starts, model.config.num_context, horizon, rng)
    ends = (store.starts + store.lengths)[np.searchsorted(store.starts, positions, side="right") - 1]
    known = known_of(store.rows.valid)
    signals, errors = [], []
    with tqdm(total=len(positions) * horizon, desc="trust", unit="frame") as bar:
        for first in range(0, len(positions), config.batch_size):
            rows = slice(first, first + config.batch_size)
            at, end = positions[rows], ends[rows]
            clips = [clip_at(store, int(p), model.config.num_context) for p in at]
            state = model.begin(clips, [int(p) for p in at], full_signals=True)
            inside = torch.ones(len(at), dtype=torch.bool)
            for t in range(horizon):
                index = np.minimum(at + t + 1, end - 1)
                inside &= torch.from_numpy((at + t + 1 < end) & known.motion[index - 1])
                state, prediction = model.step(state, store.rows.controls[index - 1])
                truth = np.stack([store.frames[k] for k in index]).astype(np.float32)
                error = torch.from_numpy(((np.asarray(prediction.frames) - truth) ** 2).mean((1, 2, 3)))

                compared = inside & torch.from_numpy(known.picture[index])
                measured = np.stack([prediction.trust.signals[name] for name in FULL_SIGNALS], axis=-1)
                signals.append(torch.from_numpy(measured).float()[compared])
                errors.append(error[compared])
                bar.update(len(at))
    return torch.cat(signals), torch.cat(errors)


def fit_trust(trust: TrustModel, signals: Tensor, errors: Tensor, decay: float = 0.01) -> None:
    """Fit in place: logistic regression of "the error is above its WORST quantile" on the first of the signals."""
    signals, errors = signals.to(trust.bias.device), errors.to(trust.bias.device)
    wrong = (errors > errors.quantile(WORST)).double()
    logs = (signals[:, : len(trust.weight)] + FLOOR).log()
    trust.centre.copy_(logs.mean(0))
    trust.scale.copy_(logs.std(0).clamp(min=1e-3))
    x = trust.standardised(signals).double()
    parameters = torch.zeros(x.shape[1] + 1, dtype=torch.float64, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=200)

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = x @ parameters[:-1] + parameters[-1]
        loss = F.binary_cross_entropy_with_logits(logits, wrong) + decay * (parameters[:-1] ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    trust.weight.copy_(parameters.detach()[:-1])
    trust.bias.copy_(parameters.detach()[-1])


def train_trust(model: WorldModel, store: FrameStore, config: TrustStageConfig, folder: Path) -> None:
    """Fit both trusts of the model in place, to the same rollouts, or load the finished stage."""
    parts = ((model.trust, folder / "trust.safetensors"), (model.full_trust, folder / "full_trust.safetensors"))
    if [stage_done(*part) for part in parts] == [True, True]:
        return
    signals, errors = rollout_signals(model.eval(), store, config)
    for trust, result in parts:
        fit_trust(trust, signals, errors)
        finish_stage(trust, result)
