"""The reader's stage: the scene from pictures alone, recorded ones, spoilt ones and some that the world made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.batches.scene_pictures import MadePictures, SceneBatch, ScenePictures, SceneTargets, SpoilConfig, spoil
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.made_pictures import MadePicturesConfig
from worldsim.conditioning.object_grid import SPEED_VALUE
from worldsim.networks.scene_reader import SceneEstimate, SceneReader
from worldsim.networks.vae3d import frames_to_float

VALUE_WEIGHTS = (3.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3)
"""Of an object's values; how far it is matters most and is hardest to see."""
LANE_WEIGHTS = (2.0, 1.0, 0.5, 0.5)
"""Of LANE_NAMES."""
FOCUS, RELIEF = 2.0, 4.0
"""Exponents alpha and beta of the focal loss of Zhou et al. 2019, eq. 1: on sure cells, on cells beside a middle."""


@dataclass(frozen=True, kw_only=True)
class ReaderStageConfig:
    """How the reader is trained.

    Args:
        batch_size: pictures a step, each with the ones before it.
        stride: every so manieth recorded frame is one of the pictures.
        made: how the world makes pictures.
        made_fraction: share of the pictures that it made.
        spoil: how pictures are spoilt.
    """

    loop: LoopConfig
    batch_size: int = 32
    stride: int = 4
    made: MadePicturesConfig = field(default_factory=MadePicturesConfig)
    made_fraction: float = 0.25
    spoil: SpoilConfig = field(default_factory=SpoilConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.stride < 1:
            raise ValueError(f"batch_size and stride must be at least 1, got {self.batch_size}, {self.stride}")
        if not 0 <= self.made_fraction <= 1:
            raise ValueError(f"made_fraction must lie in [0, 1], got {self.made_fraction}")


def scene_loss(estimate: SceneEstimate, target: SceneTargets) -> dict[str, Tensor]:
    """Named loss terms of an estimate, averaged over what is known.

    Smooth L1 of standardised values, cross entropy of kinds and events, focal loss of presences.
    """

    def mean(loss: Tensor, mask: Tensor) -> Tensor:
        return (loss * mask).sum() / mask.sum().clamp(min=1.0)

    def near(a: Tensor, b: Tensor) -> Tensor:
        return F.smooth_l1_loss(a.float(), b, beta=0.05, reduction="none")

    def binary(logit: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logit.float(), truth, reduction="none")

    listed = target.objects_valid[:, None, None]
    asked = target.asked * listed
    value_mask = asked[..., None].repeat_interleave(len(VALUE_WEIGHTS), dim=-1)
    value_mask[..., SPEED_VALUE] *= target.speed_known
    value_weights, lane_weights = (target.lane.new_tensor(w) for w in (VALUE_WEIGHTS, LANE_WEIGHTS))
    kind = -(F.log_softmax(estimate.kind.float(), dim=-1) * target.kind).sum(-1)
    return {
        "ego": mean(near(estimate.ego, target.ego), target.ego_valid),
        "lane": mean(near(estimate.lane, target.lane) * lane_weights, target.lane_valid),
        "route": mean(near(estimate.route, target.route).sum(-1), target.route_valid),
        "lead": mean(near(estimate.lead, target.lead).sum(-1), target.lead_present * target.lead_valid),
        "lead_present": mean(binary(estimate.lead_present, target.lead_present), target.lead_valid),
        "present": _focal_loss(estimate.present.float(), target.near, target.counted * listed),
        "kind": mean(kind, asked),
        "objects": mean(near(estimate.values, target.values) * value_weights, value_mask),
        "collision": mean(binary(estimate.collision, target.collision), target.collision_valid),
        "off_road": mean(binary(estimate.off_road, target.off_road), target.off_road_valid),
    }


def _focal_loss(logit: Tensor, near: Tensor, counted: Tensor) -> Tensor:
    """Zhou et al. 2019, eq. 1, per object."""
    p = logit.sigmoid()
    middle = (near == 1).float()
    found = -middle * (1 - p) ** FOCUS * F.logsigmoid(logit)
    empty = -(1 - middle) * (1 - near) ** RELIEF * p**FOCUS * F.logsigmoid(-logit)
    return ((found + empty) * counted).sum() / (middle * counted).sum().clamp(min=1.0)


def mixed_batch(
    pictures: ScenePictures, made: MadePictures | None, config: ReaderStageConfig, rng: np.random.Generator
) -> SceneBatch:
    """Recorded pictures, `made_fraction` of them in their place as the world made them, with the recorded targets."""
    chosen = pictures.draw(config.batch_size, rng)
    num_made = 0 if made is None else round(config.made_fraction * config.batch_size)
    if made is None or not num_made:
        return pictures.at(chosen)
    which = rng.integers(0, len(made.positions), num_made)
    chosen[:num_made] = np.searchsorted(pictures.positions, made.positions[which])
    batch = pictures.at(chosen)
    batch.frames[:num_made] = made.frames[which]
    return batch


def reader_losses(
    reader: SceneReader, batch: SceneBatch, config: ReaderStageConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch."""
    device = next(reader.parameters()).device
    with torch.autocast(device.type, enabled=False):
        frames = spoil(frames_to_float(torch.from_numpy(batch.frames).to(device)), config.spoil, generator)
    terms = scene_loss(reader(frames), batch.targets.on(device))
    return {"loss": torch.stack(list(terms.values())).sum()} | terms


def train_reader(
    reader: SceneReader, pictures: ScenePictures, made: MadePictures | None, config: ReaderStageConfig, folder: Path
) -> None:
    """Train `reader` in place, or load the finished stage; resumable.

    Kinds of events and objects that the recording has no labels of are denied: the reader cannot have learned them.

    Raises:
        ValueError: a made picture is of a frame that is none of `pictures`.
    """
    if made is not None and not np.isin(made.positions, pictures.positions).all():
        raise ValueError(f"made pictures must be of every {config.stride}th frame of an episode, as the recorded ones")
    result = folder / "reader.safetensors"
    # of a finished stage too: what is read off later depends, in its last bits, on how the weights lie in memory
    reader.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if stage_done(reader, result):
        return

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = mixed_batch(pictures, made, config, step_rng(config.loop.seed, step))
        return reader_losses(reader, batch, config, generator)

    TrainLoop(reader, loss_function, config.loop, folder).run("SceneReader")
    known = pictures.known
    labelled = {"present": known.objects, "lead_present": known.lead, "collision": known.collision}
    labelled |= {"off_road": known.off_road}
    reader.deny(name for name, rows in labelled.items() if not rows.any())
    finish_stage(reader, result)
