"""The two stages of a generator on the one training loop: its autoencoder, then its network."""

from __future__ import annotations

from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from training.data.pictures.clips import Clips
from training.data.pictures.labelled import LabelledPictures
from training.data.pictures.step_batches import StepBatches
from training.generative.recipes import GenerativeRecipe
from training.stages.distributed import step_seed
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from training.stages.video_vae import measure_latents, video_vae_losses
from worldsim.diffusion.generator import Generator, KnownFrames
from worldsim.networks.video_vae import VideoVAE

NUM_MEASURED = 64
"""Clips whose latents' mean and spread are measured, evenly spaced."""


def train_autoencoder(
    autoencoder: VideoVAE, clips: Clips, loop: LoopConfig, batch_size: int, folder: Path, device: str
) -> None:
    """Train an autoencoder of clips on reconstruction, and measure its latents; loads it where it is done.

    Raises:
        ValueError: the clips do not fill a batch, or one cannot be read.
    """
    path = folder / "autoencoder.safetensors"
    if stage_done(autoencoder, path):
        return
    batches = StepBatches(clips, batch_size, seed=step_seed(loop.seed, 0))  # each of many processes has its own order

    def loss(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        frames = rearrange(batches.at(step), "b t c h w -> b c t h w").to(device)
        return video_vae_losses(autoencoder, frames, generator)

    TrainLoop(autoencoder, loss, loop, folder).run("autoencoder")
    chosen = torch.linspace(0, len(clips) - 1, min(NUM_MEASURED, len(clips))).round().long().tolist()
    measure_latents(autoencoder, (rearrange(clips[k], "t c h w -> 1 c t h w").to(device) for k in chosen))
    finish_stage(autoencoder, path)


def train_network(
    made: Generator, data: LabelledPictures | Clips, recipe: GenerativeRecipe, folder: Path, device: str
) -> None:
    """Train a generator's network; loads it where it is done. Clips are told frames at their ends, or none.

    Raises:
        ValueError: the data do not fill a batch, or an item cannot be read.
    """
    path = folder / "network.safetensors"
    if stage_done(made.network, path):
        return
    batches = StepBatches(data, recipe.batch_size, seed=step_seed(recipe.loop.seed, 0))

    def loss(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = batches.at(step)
        if isinstance(data, LabelledPictures):
            x, label, known = batch[0].to(device), batch[1].to(device), None
        else:
            frames, label = rearrange(batch, "b t c h w -> b c t h w").to(device), None
            x, known = made.encode(frames), draw_known(made, frames, generator)
        losses = made.losses(x, label, known, generator, recipe.label_dropout)
        return {"loss": losses.total.mean(), "error": losses.error.mean()}

    TrainLoop(made.network, loss, recipe.loop, folder).run(recipe.architecture)
    finish_stage(made.network, path)


def draw_known(made: Generator, frames: Float[Tensor, "b c t h w"], generator: torch.Generator) -> KnownFrames:
    """What is known of each clip of a batch: of a third of them nothing, of a third some first frames, of a third the
    first and some last ones; never all. Frames are those of the generator's data, latents where it has an autoencoder.
    """
    num, length = len(frames), made.config.data_shape[1]
    kind, drawn = torch.randint(3, (num,), generator=generator), torch.rand((2, num), generator=generator)
    two_ends = (kind == 2) & (length > 2)
    room = length - 1 - two_ends.long()  # one frame at least is left to make, and one for the other end
    first = torch.where((kind > 0) & (room > 0), 1 + (drawn[0] * room).long(), 0)
    last = torch.where(two_ends, 1 + (drawn[1] * (length - 1 - first)).long(), 0)
    return made.known_of(frames, first.to(frames.device), last.to(frames.device))
