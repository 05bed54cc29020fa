"""`drivedit evaluate-generator`: whether what a class-conditional generator makes is of its class, true, and new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from envs.folder_lock import lock_folder
from training.data.lerobot_layout import write_json
from training.data.pictures.labelled import LabelledPictures, open_pictures
from training.evaluation.image_metrics import frechet_distance
from training.generative.classifier import read_pictures, train_classifier, training_name
from training.generative.sample_sets import (
    Copies,
    Distance,
    PrecisionRecall,
    copies,
    difference,
    frechet_between,
    precision_recall,
)
from training.generative.sampling import draw_samples, setting_name
from training.generative.showing import save_grid
from training.generative.tradeoff import save_tradeoff
from training.stages.distributed import process_device
from worldsim.atomic_files import atomic_path
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.networks.vae3d import frames_to_float
from worldsim.option_checks import check_options

NUM_SHOWN = 100
"""Samples of each setting that are drawn, to be looked at."""


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneratorConfig:
    """Which generators to judge, sampled how. Run it again to go on where it stopped.

    Args:
        models: folders of generators of pictures with classes.
        data: what they learned from, as for `drivedit train-generator`, with pictures to validate with.
        out: folder for quality.json, quality.md, the plot, samples of each setting and the classifier.
        num_samples: pictures of each setting, of all classes as often.
        sampling: sampler and steps as SAMPLER:STEPS, such as dpm-solver:20; several are compared with the first.
        guidance: scales; several make the trade-off's plot.
        classifier_steps: of the classifier, which learns from the same pictures.
        seed: of noise, classifier and bootstrap; all settings begin with the same noise.
        device: torch device, None for a GPU if there is one.
        num_threads: of torch, None leaves it.

    Raises:
        ValueError: nothing to judge, or a number is out of range.
    """

    models: tyro.conf.Positional[tuple[Path, ...]]
    data: Path
    out: Path = Path("runs/quality")
    num_samples: int = 10_000
    sampling: tuple[str, ...] = ("dpm-solver:20",)
    guidance: tuple[float, ...] = (1.0,)
    classifier_steps: int = 800
    seed: int = 0
    device: str | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("models", "sampling", "guidance"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name one at least")
        if self.num_samples < 100:
            raise ValueError(f"num_samples must be at least 100, got {self.num_samples}")
        if self.classifier_steps < 1:
            raise ValueError(f"classifier_steps must be at least 1, got {self.classifier_steps}")
        self.choices()

    def choices(self) -> list[SamplerChoice]:
        """Every way of sampling with every guidance.

        Raises:
            ValueError: one of them is no SAMPLER:STEPS.
        """
        return [_choice(text, guidance) for text in self.sampling for guidance in self.guidance]


def _choice(text: str, guidance: float) -> SamplerChoice:
    sampler, _, steps = text.partition(":")
    if not steps.isdigit():
        raise ValueError(f"sampling must be SAMPLER:STEPS, such as dpm-solver:20, got {text!r}")
    return SamplerChoice(sampler=sampler, steps=int(steps), guidance=guidance)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good the samples of one setting are.

    Args:
        model: the generator's folder.
        sampling: SAMPLER:STEPS.
        guidance: its scale.
        num_samples: how many were drawn.
        evaluations: of the network for a sample; guidance takes each twice.
        agreement: share in which the classifier finds the class that was asked for.
        sets: precision and recall against the training pictures, in the classifier's features.
        copies: of training pictures.
        frechet: distance from the training pictures, in the classifier's features.
        above_first: how much farther than the first setting of the same model.
        seconds: of sampling, by the process' clock of the CPU.
        samples: their folder below `out`; the first NUM_SHOWN are drawn beside it as a .png.
    """

    model: str
    sampling: str
    guidance: float
    num_samples: int
    evaluations: int
    agreement: float
    sets: PrecisionRecall
    copies: Copies
    frechet: Distance
    above_first: Distance
    seconds: float
    samples: str


@dataclass(frozen=True, kw_only=True)
class RealQuality:
    """The same of pictures that training did not see: what can be hoped for.

    Args:
        num_pictures: how many there are.
        agreement: share in which the classifier finds the class.
        sets: precision and recall against as many training pictures.
        copies: share that would be called copies.
        frechet: distance from the training pictures; few pictures lie too far.
    """

    num_pictures: int
    agreement: float
    sets: PrecisionRecall
    copies: Copies
    frechet: float


def evaluate_generator(config: EvaluateGeneratorConfig) -> list[Quality]:
    """Draw samples of all settings, judge them, and write the table, the plot and samples to look at.

    Raises:
        FileNotFoundError: there is no such generator.
        ValueError: a generator makes clips or knows other classes than the data, or the data cannot be read.
        FolderInUseError: another process writes there.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    device = config.device or process_device()
    models = {str(folder): Generator.load(folder, device) for folder in config.models}
    sizes = {(made.config.height, made.config.width) for made in models.values()}
    if len(sizes) > 1:
        raise ValueError(f"the generators make pictures of {len(sizes)} sizes, {sorted(sizes)}: judge them apart")
    (size,) = sizes
    training, held_out = (LabelledPictures(open_pictures(config.data, split), size) for split in ("train", "val"))
    for name, made in models.items():
        if made.config.num_frames > 1 or made.config.class_names != training.class_names:
            raise ValueError(
                f"{name} makes {'clips' if made.config.num_frames > 1 else 'pictures'} of the classes "
                f"{', '.join(made.config.class_names) or 'none'}; {config.data} has {', '.join(training.class_names)}"
            )
    with lock_folder(config.out):
        judge = _Judge(training, config)
        real = judge.real(held_out)
        print(f"classifier: {100 * real.agreement:.1f} % of {real.num_pictures} pictures to validate with")
        found = [quality for name, made in models.items() for quality in judge.model(name, made, config.choices())]
        content = {"seed": config.seed, "real": asdict(real), "settings": [asdict(q) for q in found]}
        write_json(config.out / "quality.json", content)
        table = quality_table(real, found, config.seed)
        with atomic_path(config.out / "quality.md") as temporary:
            temporary.write_text(table + "\n")
        if len(config.guidance) > 1:
            save_tradeoff(found, config.out / "tradeoff.png")
    print(table)
    return found


class _Judge:
    """Compares pictures with those that were learned from, in the features of a classifier of these."""

    def __init__(self, training: LabelledPictures, config: EvaluateGeneratorConfig) -> None:
        self.config = config
        self.pixels = torch.stack([training[k][0] for k in range(len(training))])
        name = training_name(self.pixels, training.labels, config.classifier_steps, config.seed)
        folder = config.out / "classifier" / name
        self.classifier = train_classifier(training, folder, config.classifier_steps, config.seed)
        self.training = read_pictures(self.classifier, self.pixels)

    def real(self, held_out: LabelledPictures) -> RealQuality:
        """Pictures that training did not see."""
        pictures = torch.stack([held_out[k][0] for k in range(len(held_out))])
        reading = read_pictures(self.classifier, pictures)
        return RealQuality(
            num_pictures=len(held_out),
            agreement=float((reading.labels == held_out.labels).mean()),
            sets=precision_recall(self.training.features, reading.features, self._rng()),
            copies=copies(self.pixels.flatten(1), pictures.flatten(1)),
            frechet=frechet_distance(reading.features, self.training.features),
        )

    def model(self, name: str, made: Generator, choices: Sequence[SamplerChoice]) -> list[Quality]:
        """All settings of one generator."""
        found, first = [], None
        labels = np.arange(self.config.num_samples) % len(made.config.class_names)
        for choice in choices:
            folder = self.config.out / "samples" / setting_name(Path(name), choice, self.config.seed)
            sampled = draw_samples(made, choice, torch.from_numpy(labels), folder, self.config.seed)
            pictures = frames_to_float(sampled.frames)
            reading = read_pictures(self.classifier, pictures)
            distance = frechet_between(reading.features, self.training.features, self._rng())
            first = first or distance
            found.append(
                Quality(
                    model=name,
                    sampling=f"{choice.sampler}:{choice.steps}",
                    guidance=choice.guidance,
                    num_samples=len(labels),
                    evaluations=sampled.evaluations,
                    agreement=float((reading.labels == labels).mean()),
                    sets=precision_recall(self.training.features, reading.features, self._rng()),
                    copies=copies(self.pixels.flatten(1), pictures.flatten(1)),
                    frechet=distance[0],
                    above_first=difference(distance, first),
                    seconds=sampled.seconds,
                    samples=str(folder.relative_to(self.config.out)),
                )
            )
            save_grid(pictures[:NUM_SHOWN], folder)
        return found

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.config.seed)


_COLUMNS = (
    "model",
    "sampling",
    "guidance",
    "samples",
    "evaluations",
    "of its class",
    "precision",
    "recall",
    "nearer than half / all of a neighbour's distance",
    "Fréchet",
    "more than the first",
)


def quality_table(real: RealQuality, found: Sequence[Quality], seed: int) -> str:
    """All settings below each other as a Markdown table, and what pictures that training did not see come to; `seed` is
    that of all that was drawn."""
    rows = [
        (
            *(q.model, q.sampling, f"{q.guidance:g}", f"{q.num_samples:,} of seed {seed}", str(q.evaluations)),
            *_shares(q),
            f"{q.frechet.value:.3f} ({q.frechet.low:.3f} to {q.frechet.high:.3f})",
            f"{q.above_first.value:+.3f} ({q.above_first.low:+.3f} to {q.above_first.high:+.3f})",
        )
        for q in found
    ]
    name = f"{real.num_pictures} real ones to validate with"
    rows.append((name, "", "", f"{real.num_pictures:,}", "", *_shares(real), f"{real.frechet:.3f}", ""))
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _shares(quality: Quality | RealQuality) -> tuple[str, ...]:
    near = quality.copies
    return (
        f"{100 * quality.agreement:.2f} %",
        f"{quality.sets.precision:.3f}",
        f"{quality.sets.recall:.3f}",
        f"{100 * near.at_half:.2f} / {100 * near.at_whole:.0f} %",
    )
