"""`drivedit train`: run a recipe's stages, from recording to evaluation. STAGES says which there are."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from zlib import crc32

import torch

from envs.folder_lock import lock_folder
from training.data.rollouts import RolloutDataset
from training.recipes import Recipe, fitted_to, in_precision, recipe_at
from training.registry import STAGES, Stage, outdated, stage_named, stages_until
from training.stages.distributed import first_process_first, is_first, process_device
from training.stages.precision import Precision, run_precision
from training.stages.randomness import seeded
from training.training_run import TrainingRun
from worldsim.configs import CameraGeometry
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.option_checks import check_options


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
        precision: that losses are calculated in. None: what is faster on this machine, measured when the run begins. A
            run keeps its precision.
        num_threads: of torch, None leaves it.
        num_workers: recording processes.
        vae_steps: instead of the recipe's.
        dit_steps: of the student, instead of the recipe's.
        initial: checkpoint folder that training goes on from, instead of from random weights. With this run's
            tokenizer: dynamics and scene reader, the model's own rollouts begin at once, at half the learning rate.
            With another one: the scene reader, and of the dynamics all but the layers that read or write latents.
        until: last stage to run, one of STAGES.
        list_stages: show the run's stages and which of them are done, and run none.

    Raises:
        ValueError: `held_out` is out of range, no stage is called `until`, or camera or vehicle come without `data`.
    """

    recipe: Literal["debug", "tiny", "small"] = "tiny"
    out: Path | None = None
    data: Path | None = None
    held_out: float = 0.15
    camera: CameraGeometry = field(default_factory=CameraGeometry)
    vehicle: VehicleModel = field(default_factory=VehicleModel)
    device: str | None = None
    precision: Precision | None = None
    num_threads: int | None = None
    num_workers: int = 2
    vae_steps: int | None = None
    dit_steps: int | None = None
    initial: Path | None = None
    until: str = STAGES[-1].name
    list_stages: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must lie in (0, 1), got {self.held_out}")
        stage_named(self.until)
        if self.data is None and (self.camera, self.vehicle) != (CameraGeometry(), VehicleModel()):
            raise ValueError(f"camera and vehicle are those of data, and none is given: {self.camera}, {self.vehicle}")

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.out if self.out is not None else Path("runs") / self.recipe


def _recipe(config: TrainConfig) -> Recipe:
    """The recipe with what the command line says otherwise."""
    recipe = recipe_at(config.recipe, config.folder)
    recipe = replace(
        recipe,
        train_data=replace(recipe.train_data, num_workers=config.num_workers),
        test_data=replace(recipe.test_data, num_workers=config.num_workers),
    )
    if config.vae_steps:
        recipe = replace(recipe, vae=replace(recipe.vae, loop=replace(recipe.vae.loop, num_steps=config.vae_steps)))
    if config.dit_steps:
        student = recipe.dynamics.student
        student = replace(student, loop=replace(student.loop, num_steps=config.dit_steps))
        recipe = replace(recipe, dynamics=replace(recipe.dynamics, student=student))
    return recipe


def begin_run(config: TrainConfig) -> TrainingRun:
    """The run that a config describes; nothing is made yet.

    Raises:
        ValueError: the model cannot have the frame size of `config.data`.
    """
    recipe, recording = _recipe(config), None
    if config.data is not None:
        recording = RolloutDataset(config.data)
        recipe = fitted_to(recipe, recording, config.camera, config.vehicle)
    return TrainingRun(
        recipe=recipe,
        folder=config.folder,
        device=config.device or process_device(),
        recording=recording,
        held_out=config.held_out,
        initial=config.initial,
    )


def stage_lines(stages: tuple[Stage, ...], folder: Path) -> list[str]:
    """For each stage a line that says whether it is done or will run."""
    width = max(len(stage.name) for stage in stages)
    lines = []
    for stage in stages:
        plan = "done, loaded" if stage.is_done(folder) else "will run"
        lines.append(f"  {stage.name:<{width}}  {plan:<12}  {stage.makes}")
    return lines


def train(config: TrainConfig) -> None:
    """Run the recipe's stages that are not done yet; the checkpoint ends in `<out>/checkpoint`.

    Raises:
        ValueError: the run has no stage `config.until`, or a stage cannot work on its data.
        FolderInUseError: another process trains there.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    run = begin_run(config)
    stages = stages_until(run, config.until)
    if is_first():
        print("\n".join([f"{config.folder}, recipe {config.recipe}:", *stage_lines(stages, config.folder)]))
    if config.list_stages:
        return

    with lock_folder(config.folder) if is_first() else nullcontext():
        with first_process_first():
            precision = run_precision(config.folder, run.device, config.precision)
        run.recipe = in_precision(run.recipe, precision)
        for stage in stages:
            if not stage.when(run):  # an initial checkpoint may make a stage needless
                continue
            for path in outdated(stage, config.folder):
                warnings.warn(
                    f"{path} is older than what it was made from; delete its folder to remake it", stacklevel=2
                )
            # new networks' weights come from global generators: let them not depend on what earlier stages drew
            with seeded(crc32(stage.name.encode())):
                stage.run(run)
