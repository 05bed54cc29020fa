"""`drivedit compare-models`: generators side by side: size, memory, time of a step, loss, PSNR, SSIM."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

import tyro
from torch import nn

from training.data.pictures.clips import Clips, open_clips
from training.data.pictures.labelled import LabelledPictures, open_pictures
from training.generative.measuring import check_known, draw_batch, judge, step_megabytes, time_steps
from training.generative.recipes import RecipeName, Size, generative_recipe
from training.stages.distributed import process_device
from training.stages.randomness import seeded
from worldsim.atomic_files import atomic_path
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.option_checks import check_options

Source = TypeVar("Source")


@dataclass(frozen=True, kw_only=True)
class CompareModelsConfig:
    """What to compare, on which data.

    Args:
        models: two or more: folders of generators, or recipes with random weights as NAME or NAME:SIZE, such as
            unet3d:default, whose losses and pictures then say nothing.
        data: of pictures or clips, as for `drivedit train-generator`; those to validate with, if there are any.
        out: folder for comparison.json, comparison.md and the pictures.
        image_size: of models with random weights, height and width [px]; None takes the recipe's.
        num_frames: of their clips, likewise.
        batch_size: of the timed steps.
        repeats: timed steps of each, taken in turn.
        num_samples: pictures or clips for loss, PSNR and SSIM.
        num_known: frames at a clip's beginning from which the rest is predicted; a multiple of what a latent spans.
        sampling: how the pictures are made.
        seed: of data and noise.
        device: torch device, None for a GPU if there is one.

    Raises:
        ValueError: fewer than two models, or a number is not positive.
    """

    models: tyro.conf.Positional[tuple[str, ...]]
    data: Path
    out: Path = Path("runs/comparison")
    image_size: tuple[int, int] | None = None
    num_frames: int | None = None
    batch_size: int = 1
    repeats: int = 5
    num_samples: int = 8
    num_known: int = 8
    sampling: SamplerChoice = field(default_factory=SamplerChoice)
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if len(self.models) < 2:
            raise ValueError(f"there must be two models or more, got {', '.join(self.models) or 'none'}")
        for name in ("batch_size", "repeats", "num_samples", "num_known"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class ModelMeasures:
    """What is known of one model.

    Args:
        model: as it was named.
        parameters: of the network.
        autoencoder_parameters: 0 where it has none.
        memory_megabytes: that a training step adds to the process, or to the GPU.
        train_seconds: of a training step, encoding included.
        encoded_train_seconds: of one on latents that are there; the same where there is no autoencoder.
        sample_seconds: of one evaluation of the network without gradients.
        loss: mean squared error of what it predicts.
        psnr: of predicted frames, or of restored pictures [dB].
        ssim: likewise.
        repeats: steps of which seconds are medians.
        num_samples: pictures or clips that loss, PSNR and SSIM are means over.
        seed: that they were drawn by.
    """

    model: str
    parameters: int
    autoencoder_parameters: int
    memory_megabytes: float
    train_seconds: float
    encoded_train_seconds: float
    sample_seconds: float
    loss: float
    psnr: float
    ssim: float
    repeats: int
    num_samples: int
    seed: int


_ROWS = (
    ("parameters of the network", "parameters", "{:,.0f}"),
    ("parameters of the autoencoder", "autoencoder_parameters", "{:,.0f}"),
    ("memory of a training step [MB]", "memory_megabytes", "{:,.0f}"),
    ("training step [s]", "train_seconds", "{:.3f}"),
    ("training step on latents [s]", "encoded_train_seconds", "{:.3f}"),
    ("evaluation of the network [s]", "sample_seconds", "{:.3f}"),
    ("loss, of what each predicts", "loss", "{:.4f}"),
    ("PSNR [dB]", "psnr", "{:.2f}"),
    ("SSIM", "ssim", "{:.3f}"),
    ("times are medians of", "repeats", "{:d} steps"),
    ("loss, PSNR and SSIM are means over", "num_samples", "{:d}"),
    ("seed", "seed", "{:d}"),
)


def compare_models(config: CompareModelsConfig) -> list[ModelMeasures]:
    """Measure all models and write the table, as JSON and Markdown, and what each made of the same data.

    Raises:
        FileNotFoundError: there is no such generator.
        ValueError: the data cannot be read, or are not what a model makes.
    """
    device = config.device or process_device()
    models = [open_model(name, config).to(device).eval() for name in config.models]
    data = [open_items(made, config) for made in models]
    for made in models:
        if made.sees_known:
            check_known(made, config.num_known)
    batches = [draw_batch(items, config.batch_size, config.seed, device) for items in data]
    seconds = time_steps(models, batches, config.repeats)
    config.out.mkdir(parents=True, exist_ok=True)
    measures = []
    for k, (name, made) in enumerate(zip(config.models, models, strict=True)):
        shown = draw_batch(data[k], config.num_samples, config.seed, device)
        autoencoder = made.autoencoder or nn.Identity()
        measures.append(
            ModelMeasures(
                model=name,
                parameters=sum(p.numel() for p in made.network.parameters()),
                autoencoder_parameters=sum(p.numel() for p in autoencoder.parameters()),
                repeats=config.repeats,
                num_samples=len(shown[0]),
                seed=config.seed,
                memory_megabytes=step_megabytes(made.config, config.batch_size, device),
                **seconds[k],
                **judge(made, *shown, config.sampling, config.num_known, config.seed, config.out / f"model_{k + 1}"),
            )
        )
    table = comparison_table(measures)
    content = json.dumps([asdict(m) for m in measures], indent=1)
    for path, text in (("comparison.json", content), ("comparison.md", table)):
        with atomic_path(config.out / path) as temporary:
            temporary.write_text(text + "\n")
    print(table)
    return measures


def comparison_table(measures: list[ModelMeasures]) -> str:
    """Models side by side as a Markdown table."""
    lines = ["| | " + " | ".join(m.model for m in measures) + " |", "|---" * (len(measures) + 1) + "|"]
    for title, name, form in _ROWS:
        lines.append(f"| {title} | " + " | ".join(form.format(getattr(m, name)) for m in measures) + " |")
    return "\n".join(lines)


def open_model(name: str, config: CompareModelsConfig) -> Generator:
    """A generator from its folder, or with random weights by its recipe.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: no such size, or the image size does not suit the recipe.
    """
    recipe_name, _, size = name.partition(":")
    if recipe_name not in get_args(RecipeName) or Path(name).exists():
        return Generator.load(Path(name))
    size = size or "default"
    if size not in get_args(Size):
        raise ValueError(f"{name}: no size {size!r}; there are {', '.join(get_args(Size))}")
    recipe = generative_recipe(recipe_name, size)  # type: ignore[arg-type]
    if config.image_size is not None:
        recipe = replace(recipe, height=config.image_size[0], width=config.image_size[1])
    if config.num_frames is not None and recipe.makes_clips:
        recipe = replace(recipe, num_frames=config.num_frames)
    with seeded(config.seed):
        return Generator(recipe.generator(() if recipe.makes_clips else open_pictures(config.data).class_names))


def open_items(made: Generator, config: CompareModelsConfig) -> LabelledPictures | Clips:
    """The data in the form that a model makes: those to validate with, or else, which is said, those to train with.

    Raises:
        ValueError: they cannot be read, or their classes are not the model's.
    """
    size = (made.config.height, made.config.width)
    if made.config.num_frames > 1:
        sources = _to_validate_with(partial(open_clips, config.data))
        return Clips(sources, made.config.num_frames, size, fps=made.config.frame_rate or None)
    pictures = LabelledPictures(_to_validate_with(partial(open_pictures, config.data)), size)
    if pictures.class_names != made.config.class_names:
        raise ValueError(
            f"{config.data} has the classes {', '.join(pictures.class_names)}, the model "
            f"{', '.join(made.config.class_names) or 'none'}"
        )
    return pictures


def _to_validate_with(open_split: Callable[[str], Source]) -> Source:
    try:
        return open_split("val")
    except ValueError as error:
        print(f"no data to validate with ({error}): those to train with")
        return open_split("train")
