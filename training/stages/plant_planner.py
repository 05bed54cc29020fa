"""PlanT's stage: imitation of the lane follower's waypoints, and forecasts of the road users (Renz et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from policies.plant.network import PlanTNetwork, TokenTensors
from training.batches.plant_samples import UNKNOWN_CLASS, PlanTBatch, PlanTSamples
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.pixel_planner import result_path

NEAR_UNIT, UNIT_GROWTH = 0.3, 0.1
"""Unit of a waypoint at the ego [m], and how much it grows a metre."""


@dataclass(frozen=True, kw_only=True)
class PlanTStageConfig:
    """How PlanT is trained.

    Args:
        batch_size: moments a step.
        forecast_weight: of the mean cross-entropy of the objects' classes, beside the L1 of the waypoints.
    """

    loop: LoopConfig
    batch_size: int = 64
    forecast_weight: float = 0.02

    def __post_init__(self) -> None:
        if self.batch_size < 8:
            raise ValueError(f"batch_size must be at least 8, got {self.batch_size}")
        if not self.forecast_weight >= 0:
            raise ValueError(f"forecast_weight must be at least 0, got {self.forecast_weight}")


def plan_losses(network: PlanTNetwork, batch: PlanTBatch, forecast_weight: float) -> dict[str, Tensor]:
    """L1 of the waypoints, and the cross-entropy of the objects' next place, yaw and speed, a mean of the four.

    A waypoint's unit grows with its distance: before a stop line centimetres count, at 14 m/s they do not. The value
    called "waypoints" is in metres.
    """
    device = network.norm.weight.device
    plan = network(TokenTensors.of(batch.tokens, device))
    waypoints, classes = (torch.from_numpy(x).to(device) for x in (batch.waypoints, batch.forecast))
    miss = (plan.waypoints - waypoints).abs()
    unit = NEAR_UNIT + UNIT_GROWTH * waypoints.norm(dim=-1, keepdim=True)
    path = (miss / unit).mean()
    found = classes[..., 0] != UNKNOWN_CLASS
    entropies = [F.cross_entropy(x[found].float(), classes[found][:, k]) for k, x in enumerate(plan.forecast)]
    forecast = torch.stack(entropies).mean() if bool(found.any()) else path.new_zeros(())
    loss = path + forecast_weight * forecast
    return {"loss": loss, "waypoints": miss.detach().mean(), "forecast": forecast.detach()}


def train_plant(network: PlanTNetwork, samples: PlanTSamples, config: PlanTStageConfig, folder: Path) -> None:
    """Train `network`, or load what was trained before; the result lies at `result_path(folder)`."""
    if stage_done(network, result_path(folder)):
        return

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = samples.sample(config.batch_size, step_rng(config.loop.seed, step))
        return plan_losses(network, batch, config.forecast_weight)

    TrainLoop(network, loss_function, config.loop, folder).run(folder.name)
    finish_stage(network, result_path(folder))
