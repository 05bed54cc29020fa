"""`drivedit train-generator`: train a generator of pictures or clips by a recipe."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from envs.folder_lock import lock_folder
from training.data.lerobot_layout import read_json, write_json
from training.data.pictures.clips import Clips, open_clips
from training.data.pictures.labelled import LabelledPictures, open_pictures
from training.data.pictures.statistics import picture_statistics
from training.generative.recipes import GenerativeRecipe, ObjectiveName, RecipeName, Size, generative_recipe
from training.generative.showing import save_samples
from training.generative.stages import train_autoencoder, train_network
from training.recipes import in_precision
from training.stages.distributed import first_process_first, is_first, process_device
from training.stages.precision import Precision, run_precision
from training.stages.randomness import seeded
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.networks.generative_configs import PatchDiTConfig, Positions
from worldsim.option_checks import check_options

CHECKPOINT = "checkpoint"
"""Folder of the finished generator, below that of the run."""
CONDITIONS_NAME = "conditions.json"
"""What a run was begun with, in its folder."""
NUM_SHOWN = 16
"""Samples that are drawn in the end, to be looked at."""


@dataclass(frozen=True, kw_only=True)
class TrainGeneratorConfig:
    """A run of a generative recipe. Run it again to go on where it stopped.

    On several GPUs: `accelerate launch -m drivedit train-generator ...`.

    Args:
        data: of pictures, a folder with CIFAR-10's binary batches, or with train_labels.txt of lines
            `image_path class_id`; of clips, a yaml that lists videos or folders of frames (docs/generative.md).
        recipe: "dit-image" and "rope-dit" make pictures, "unet3d" and "latent-video" clips.
        size: "debug" learns nothing in seconds, "mini" is for a CPU, "default" for a GPU.
        out: folder of the run; the generator ends in `checkpoint` below it. None: runs/<recipe>.
        objective: what is learned on which path, instead of the recipe's: "ddpm", "cosine", "v", "edm" or "flow".
        positions: of a transformer, instead of the recipe's: "absolute" or "rotary".
        num_steps: of the network, instead of the recipe's.
        autoencoder_steps: likewise of the autoencoder.
        batch_size: of the network, instead of the recipe's.
        image_size: height and width [px], instead of the recipe's.
        num_frames: of a clip, instead of the recipe's.
        stride: frames from one clip's start to the next one's.
        frame_rate: of clips [1/s]; None takes all frames there are.
        seed: of initial weights, order, times and noise.
        device: torch device, None for a GPU if there is one.
        precision: that losses are calculated in. None: what is faster on this machine, measured when the run begins.
        num_threads: of torch, None leaves it.

    Raises:
        ValueError: a number is not positive.
    """

    data: Path
    recipe: RecipeName = "dit-image"
    size: Size = "default"
    out: Path | None = None
    objective: ObjectiveName | None = None
    positions: Positions | None = None
    num_steps: int | None = None
    autoencoder_steps: int | None = None
    batch_size: int | None = None
    image_size: tuple[int, int] | None = None
    num_frames: int | None = None
    stride: int = 1
    frame_rate: float | None = None
    seed: int = 0
    device: str | None = None
    precision: Precision | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("num_steps", "autoencoder_steps", "batch_size", "num_frames", "stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.out if self.out is not None else Path("runs") / self.recipe

    def planned(self) -> GenerativeRecipe:
        """The recipe with what the command line says otherwise.

        Raises:
            ValueError: steps for an autoencoder, frames, or positions, that the recipe has none of.
        """
        recipe = generative_recipe(self.recipe, self.size)
        loop = replace(recipe.loop, seed=self.seed)
        loop = loop if self.num_steps is None else replace(loop, num_steps=self.num_steps)
        changes: dict[str, object] = {"loop": loop}
        if self.autoencoder_steps is not None:
            if recipe.autoencoder_loop is None:
                raise ValueError(f"{self.recipe} has no autoencoder, so autoencoder_steps mean nothing")
            changes["autoencoder_loop"] = replace(recipe.autoencoder_loop, num_steps=self.autoencoder_steps)
        if self.num_frames is not None:
            if not recipe.makes_clips:
                raise ValueError(f"{self.recipe} makes pictures, so num_frames mean nothing")
            changes["num_frames"] = self.num_frames
        if self.positions is not None:
            if not isinstance(recipe.network, PatchDiTConfig):
                raise ValueError(f"{self.recipe} is no transformer, so positions mean nothing")
            changes["network"] = replace(recipe.network, positions=self.positions)
        if self.image_size is not None:
            changes |= {"height": self.image_size[0], "width": self.image_size[1]}
        if self.objective is not None:
            changes["objective"] = self.objective
        if self.batch_size is not None:
            changes["batch_size"] = self.batch_size
        return replace(recipe, **changes)  # type: ignore[arg-type]


def open_data(config: TrainGeneratorConfig, recipe: GenerativeRecipe) -> LabelledPictures | Clips:
    """The data to train with, as a recipe wants them.

    Raises:
        ValueError: they are of the other kind, or something in them cannot be read; names file and place.
    """
    size = (recipe.height, recipe.width)
    is_yaml = config.data.suffix in (".yaml", ".yml")
    if recipe.makes_clips != is_yaml:
        wanted = "a yaml that lists videos" if recipe.makes_clips else "a folder of labelled pictures"
        raise ValueError(f"{config.recipe} learns from {wanted}, got {config.data}")
    if recipe.makes_clips:
        return Clips(open_clips(config.data), recipe.num_frames, size, config.stride, config.frame_rate)
    return LabelledPictures(open_pictures(config.data), size)


def _keep_conditions(
    path: Path, recipe: GenerativeRecipe, config: TrainGeneratorConfig, data: LabelledPictures | Clips
) -> None:
    """Note what a run is made of when it begins, and refuse to go on with something else.

    Raises:
        ValueError: the run was begun otherwise; names what differs.
    """
    now = {
        **{f"recipe {name}": value for name, value in asdict(recipe).items()},
        "data": str(config.data.resolve()),
        "items": len(data),
        "stride": config.stride,
        "frame_rate": config.frame_rate,
    }
    now = json.loads(json.dumps(now))
    if not path.is_file():
        write_json(path, now)
        return
    begun = read_json(path)
    changed = [name for name in sorted({*now, *begun}) if now.get(name) != begun.get(name)]
    if changed:
        name = changed[0]
        raise ValueError(
            f"{path.parent} was begun with {name} {begun.get(name)}, not {now.get(name)}; train elsewhere, or as before"
        )


def train_generator(config: TrainGeneratorConfig) -> None:
    """Run the stages that are not done yet; the generator ends in `<out>/checkpoint`, with samples to look at.

    Raises:
        ValueError: the data do not suit the recipe, or cannot be read; or the folder holds a run of something else.
        FolderInUseError: another process trains there.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    device, folder = config.device or process_device(), config.folder
    recipe = config.planned()
    data = open_data(config, recipe)
    if isinstance(data, LabelledPictures):
        print(picture_statistics(data))
    else:
        print(f"{len(data)} clips of {recipe.num_frames} frames from {len(data.sources)} videos")
    with lock_folder(folder) if is_first() else nullcontext():
        with first_process_first():
            _keep_conditions(folder / CONDITIONS_NAME, recipe, config, data)
            precision = run_precision(folder, device, config.precision)
        recipe = in_precision(recipe, precision)
        with seeded(config.seed):  # initial weights
            class_names = data.class_names if isinstance(data, LabelledPictures) else ()
            made = Generator(recipe.generator(class_names, config.frame_rate or 0.0)).to(device)
        if made.autoencoder is not None and isinstance(data, Clips) and recipe.autoencoder_loop is not None:
            loop, batch = recipe.autoencoder_loop, recipe.autoencoder_batch
            train_autoencoder(made.autoencoder, data, loop, batch, folder / "autoencoder", device)
        train_network(made, data, recipe, folder / "network", device)
        if is_first():
            made.eval().save(folder / CHECKPOINT)
            shown = save_samples(made, SamplerChoice(), NUM_SHOWN, config.seed, folder / "samples")
            print(f"{folder / CHECKPOINT}, and samples in {shown}")
