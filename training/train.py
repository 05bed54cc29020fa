"""`drivedit train`: record, tokenizer, latents, actors, dynamics, head, decoder, trust, starts, evaluation."""

from __future__ import annotations

import typing
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from training.batches.decoder_windows import TruePictures
from training.batches.latent_windows import LatentWindows, encode_store, longest_run
from training.batches.self_rollouts import self_rollout_clips
from training.data.frame_store import FrameStore, store_colours
from training.data.rollouts import RolloutDataset
from training.data.validity import known_of
from training.evaluation.evaluate import EvaluateConfig, evaluate, evaluate_tokenizer
from training.recipes import Recipe, fitted_to, recipe_at
from training.recording.record import record
from training.recording.start_clips import cut_starts, make_starts
from training.stages.actors import train_actors
from training.stages.curriculum import train_dynamics
from training.stages.decoder import train_decoder
from training.stages.distributed import first_process_first, is_first, process_device
from training.stages.scene_head import train_head
from training.stages.trust import train_trust
from training.stages.vae import train_vae
from worldsim.checkpoint import WEIGHTS_NAME, load_tensors, warm_start
from worldsim.configs import CameraGeometry
from worldsim.datatypes.starts import STARTS_NAME
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.dynamics.rollout import NUM_KEPT
from worldsim.world_model import WorldModel

Stage: TypeAlias = Literal[
    "record", "vae", "latents", "actors", "dynamics", "head", "decoder", "trust", "starts", "evaluate"
]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A run of a recipe. Run it again to go on where it stopped.

    On several GPUs: `accelerate launch -m drivedit train ...`; a step's batch is then so many times the recipe's.

    Args:
        recipe: which one.
        out: folder of the run; recordings, stages, checkpoint and report lie below it. None: runs/<recipe>.
        data: recording to train on instead of the recipe's own, as `drivedit import` makes them; its frame size and
            rate become the model's.
        held_out: share of `data`, at its end, that is evaluated on and not trained on.
        camera: that `data` was recorded with.
        vehicle: that `data` was recorded with, as `drivedit identify` finds it.
        device: torch device, None for a GPU if there is one.
        num_threads: of torch, None leaves it.
        num_workers: recording processes.
        vae_steps: instead of the recipe's.
        dit_steps: of the student, instead of the recipe's.
        initial: checkpoint folder that training goes on from, instead of from random weights. With this run's
            tokenizer: dynamics and head, the model's own rollouts begin at once, at half the learning rate. With
            another one: the dynamics' body, all but the layers that read or write latents.
        until: last stage to run.

    Raises:
        ValueError: `held_out` is out of range, or camera or vehicle are given without `data`.
    """

    recipe: Literal["debug", "tiny", "small"] = "tiny"
    out: Path | None = None
    data: Path | None = None
    held_out: float = 0.15
    camera: CameraGeometry = field(default_factory=CameraGeometry)
    vehicle: VehicleModel = field(default_factory=VehicleModel)
    device: str | None = None
    num_threads: int | None = None
    num_workers: int = 2
    vae_steps: int | None = None
    dit_steps: int | None = None
    initial: Path | None = None
    until: Stage = "evaluate"

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must lie in (0, 1), got {self.held_out}")
        if self.data is None and (self.camera, self.vehicle) != (CameraGeometry(), VehicleModel()):
            raise ValueError(f"camera and vehicle are those of data, and none is given: {self.camera}, {self.vehicle}")

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.out if self.out is not None else Path("runs") / self.recipe


def _recipe(config: TrainConfig) -> Recipe:
    recipe = recipe_at(config.recipe, config.folder)
    recipe = replace(
        recipe,
        train_data=replace(recipe.train_data, num_workers=config.num_workers),
        test_data=replace(recipe.test_data, num_workers=config.num_workers),
    )
    if config.vae_steps:
        recipe = replace(recipe, vae=replace(recipe.vae, loop=replace(recipe.vae.loop, num_steps=config.vae_steps)))
    if config.dit_steps:
        recipe = _with_student(recipe, num_steps=config.dit_steps)
    return recipe


def outdated(out: Path) -> list[Path]:
    """Results in a run's folder that are older than the dynamics they were made with: of a recipe that has since got
    another stage before them."""
    dynamics = [path.stat().st_mtime for path in (out / "dynamics").glob("*/*.safetensors")]
    later = (out / "own" / "clips.safetensors", out / "head" / "head.safetensors", out / "decoder" / "vae.safetensors")
    later += tuple((out / "trust").glob("*.safetensors"))
    return [path for path in later if path.is_file() and path.stat().st_mtime < max(dynamics, default=0.0)]


def _with_student(recipe: Recipe, **loop: float) -> Recipe:
    student = recipe.dynamics.student
    student = replace(student, loop=replace(student.loop, **loop))
    return replace(recipe, dynamics=replace(recipe.dynamics, student=student))


LATENT_LAYERS = ("dit.stem_in", "dit.head_out", "dit.style_embedding", "dit.memory_in", "step_std", "style_limit")
"""How the names of the denoiser's tensors begin that read or write latents: worth nothing with another tokenizer."""


def same_tokenizer(model: WorldModel, state: dict[str, Tensor]) -> bool:
    """Do the latents of a checkpoint's weights mean what the model's mean? Its decoder may differ."""
    for name, own in model.vae.named_parameters():
        if not name.startswith("encoder"):
            continue
        other = state.get(f"vae.{name}")
        if other is None or other.shape != own.shape or not torch.allclose(other.to(own), own, rtol=2e-3, atol=2e-4):
            return False
    return True


def begin_from(model: WorldModel, initial: Path) -> bool:
    """Put a checkpoint's dynamics and head into the model; of one with another tokenizer only what knows no latents.

    Returns:
        Whether the tokenizer is the same, so that the dynamics can drive at once.
    """
    state = load_tensors(initial / WEIGHTS_NAME)
    same = same_tokenizer(model, state)
    parts: list[tuple[str, nn.Module]] = [("denoiser", model.denoiser)]
    if same:
        parts.append(("head", model.head))
    for name, module in parts:
        part = {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name + ".")}
        if not same:
            part = {key: value for key, value in part.items() if not key.startswith(LATENT_LAYERS)}
        fresh = warm_start(module, part)
        if fresh:
            print(f"{initial}: nothing for {name}'s {', '.join(fresh)}; they begin at random")
    return same


def train(config: TrainConfig) -> None:
    """Run the recipe's stages that are not done yet; the checkpoint ends in `<out>/checkpoint`."""
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    out, recipe = config.folder, _recipe(config)
    order = typing.get_args(Stage)
    last = order.index(config.until)
    with first_process_first():
        dataset = record(recipe.train_data) if config.data is None else RolloutDataset(config.data)
    if last < order.index("vae"):
        return
    with first_process_first():
        store, held_out = FrameStore(dataset), None
    if config.data is not None:
        recipe = fitted_to(recipe, dataset, config.camera, config.vehicle)
        store, held_out = store.split(config.held_out)
    torch.manual_seed(0)  # initial weights; the only global seed, and it belongs to this process
    device = config.device or process_device()
    model = WorldModel(recipe.model).to(device)
    with first_process_first():
        colours = store_colours(store, recipe.model.camera, out / "latents" / "colours.npy")
    pictures = TruePictures(store, colours, model.fine_map)
    train_vae(model.vae, pictures, recipe.vae, out / "vae")
    if held_out is not None and is_first():
        evaluate_tokenizer(model.eval(), held_out, out / "vae")
    if last < order.index("latents"):
        return
    with first_process_first():
        latents = encode_store(model.vae.eval(), store, out / "latents" / "train.npy")
    if last < order.index("actors"):
        return
    if not known_of(store.rows.valid).motion.any():
        raise ValueError(f"{config.data} does not tell how the ego moved and under which control: train --until vae")
    train_actors(model.actors, store, colours, recipe.actors, out / "actors")
    if last < order.index("dynamics"):
        return
    episodes = np.arange(len(store.lengths))
    if config.initial is not None and begin_from(model, config.initial):
        recipe = _with_student(recipe, learning_rate=0.5 * recipe.dynamics.student.loop.learning_rate)
        student = replace(recipe.dynamics.student, self_from=0.0)
        recipe = replace(recipe, dynamics=replace(recipe.dynamics, student=student, trajectories=None))
    train_dynamics(model, store, latents, recipe.dynamics, out / "dynamics")
    if last < order.index("head"):
        return
    for path in outdated(out):
        warnings.warn(f"{path} is older than the dynamics; delete its folder to make it anew", stacklevel=2)
    windows = LatentWindows(store, latents, recipe.model, recipe.dynamics.student.num_frames, episodes)
    longer = LatentWindows(store, latents, recipe.model, min(recipe.own.num_frames, longest_run(store)), episodes)
    with first_process_first():
        own = self_rollout_clips(model.eval(), longer, recipe.own, out / "own" / "clips.safetensors")
    short = LatentWindows(store, latents, recipe.model, NUM_KEPT, episodes)
    train_head(model.head, short, own, recipe.head, out / "head")
    if last < order.index("decoder"):
        return
    train_decoder(model.vae, pictures, windows, own, recipe.decoder, out / "decoder")
    if last < order.index("trust"):
        return
    train_trust(model, store, recipe.trust, out / "trust")
    if not is_first():
        return
    model.save(out / "checkpoint", torch.float16)
    if last < order.index("starts"):
        return
    starts = out / "checkpoint" / STARTS_NAME
    if config.data is None:
        make_starts(
            starts,
            num_starts=recipe.num_starts,
            first_town=recipe.train_data.first_town,
            num_towns=recipe.train_data.num_towns,
            frame_size=recipe.train_data.frame_size,
            num_context=recipe.model.num_context,
        )
    else:
        cut_starts(store, starts, num_starts=recipe.num_starts, num_context=recipe.model.num_context)
    if last < order.index("evaluate"):
        return
    if config.data is None:
        record(recipe.test_data)
    evaluate(
        EvaluateConfig(
            data=recipe.test_data.out if config.data is None else config.data,
            tail=1.0 if config.data is None else config.held_out,
            out=out / "evaluation",
            checkpoint=out / "checkpoint",
            num_starts=recipe.evaluate_starts,
            seconds=recipe.evaluate_seconds,
            long_starts=min(8, recipe.evaluate_starts),
            long_seconds=recipe.long_seconds,
            device=device,
        )
    )
