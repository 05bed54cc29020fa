"""A pixel planner's stage: behaviour cloning of the lane follower from recorded pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from policies.pixels.network import ACCELERATION_UNIT, PixelNetwork
from training.batches.pixel_samples import PixelBatch, PixelSamples
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done


@dataclass(frozen=True, kw_only=True)
class CloneStageConfig:
    """How a pixel planner is trained.

    Args:
        batch_size: moments a step.
        num_episodes: of the recording, the first ones; None for all.
        begins_from: name of the planner whose weights training goes on from; None for random ones.
        exposure: pictures are made lighter or darker by up to this share, so that weathers between those recorded are
            seen too.
    """

    loop: LoopConfig
    batch_size: int = 64
    num_episodes: int | None = None
    begins_from: str | None = None
    exposure: float = 0.15

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be at least 2, got {self.batch_size}")
        if self.num_episodes is not None and self.num_episodes < 1:
            raise ValueError(f"num_episodes must be at least 1, got {self.num_episodes}")
        if not 0 <= self.exposure < 1:
            raise ValueError(f"exposure must lie in [0, 1), got {self.exposure}")


def imitation_losses(network: PixelNetwork, batch: PixelBatch, pictures: Tensor) -> dict[str, Tensor]:
    """Smooth L1 of route points, in their units, of the acceleration in its unit, and of nearness.

    Args:
        network: that imitates.
        batch: what it is to do.
        pictures: what it sees, [b, k, h, w, 3]: those of the batch, or as they are augmented.
    """
    device = network.route_unit.device
    speed, command, route, acceleration, nearness = (
        torch.from_numpy(x).to(device)
        for x in (batch.speed, batch.command, batch.route, batch.acceleration, batch.nearness)
    )
    intention = network(pictures, speed, command)
    unit = network.route_unit
    points = F.smooth_l1_loss(intention.route / unit, route / unit, beta=0.1)
    pace = F.smooth_l1_loss(intention.acceleration / ACCELERATION_UNIT, acceleration / ACCELERATION_UNIT, beta=0.2)
    near = F.smooth_l1_loss(intention.nearness, nearness, beta=0.05)
    loss = 5.0 * points + 2.0 * pace + 5.0 * near
    return {"loss": loss, "route": points.detach(), "acceleration": pace.detach(), "nearness": near.detach()}


def train_pixel_planner(network: PixelNetwork, samples: PixelSamples, config: CloneStageConfig, folder: Path) -> None:
    """Train `network`, or load what was trained before; the result lies at `result_path(folder)`."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if stage_done(network, result_path(folder)):
        return
    device = network.route_unit.device

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = samples.sample(config.batch_size, step_rng(config.loop.seed, step))
        pictures = torch.from_numpy(batch.pictures).to(device)
        gain = 1 + config.exposure * (2 * torch.rand((len(pictures), 1, 1, 1, 1), generator=generator) - 1)
        return imitation_losses(network, batch, (pictures * gain.to(device)).clamp(max=255.0))

    TrainLoop(network, loss_function, config.loop, folder).run(folder.name)
    finish_stage(network, result_path(folder))


def result_path(folder: Path) -> Path:
    """Where the weights of the planner that is trained in `folder` lie when it is done."""
    return folder / "planner.safetensors"
