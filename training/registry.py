"""The stages of training, one entry each, in their order: what the command line, resuming and the docs read.

A new stage is a function that takes the run and an entry in STAGES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training import stage_runs
from training.training_run import TrainingRun
from worldsim.datatypes.starts import STARTS_NAME
from worldsim.layouts.layout_model import LAYOUTS_NAME
from worldsim.looks import LOOKS_NAME


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a training run.

    Args:
        name: on the command line.
        makes: what comes of it, in words.
        needs: stages that it builds on, if the run has them; all earlier in STAGES.
        results: files that it leaves, below the run's folder; the stage is done when all are there.
        run: makes the results, or loads those that are there.
        when: whether a run has this stage.
        repeats: runs again although its results are there.
    """

    name: str
    makes: str
    run: Callable[[TrainingRun], None]
    needs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    when: Callable[[TrainingRun], bool] = lambda run: True
    repeats: bool = False

    def is_done(self, folder: Path) -> bool:
        """Whether nothing is left to make in a run's folder."""
        return not self.repeats and bool(self.results) and all((folder / name).is_file() for name in self.results)


STAGES: tuple[Stage, ...] = (
    Stage(
        name="record",
        makes="drives in procedural towns of the reference world",
        results=("data/train/meta/info.json",),
        run=stage_runs.run_record,
        when=lambda run: run.recording is None,
        repeats=True,  # it goes on with episodes that are missing
    ),
    Stage(
        name="vae",
        makes="the tokenizer, a video autoencoder (VAE3D)",
        needs=("record",),
        results=("vae/vae.safetensors",),
        run=stage_runs.run_vae,
    ),
    Stage(
        name="latents",
        makes="the latents of all frames, and what the dynamics model is told of each",
        needs=("vae",),
        results=("latents/encoded.npy",),
        run=stage_runs.run_latents,
    ),
    Stage(
        name="actors",
        makes="the model that moves other road users",
        needs=("record",),
        results=("actors/actors.safetensors",),
        run=stage_runs.run_actors,
    ),
    Stage(
        name="layouts",
        makes="the model that makes towns, for endless drives",
        needs=("record",),
        results=(f"layouts/{LAYOUTS_NAME}", f"checkpoint/{LAYOUTS_NAME}"),
        run=stage_runs.run_layouts,
        when=lambda run: run.has_layouts,
    ),
    Stage(
        name="initial",
        makes="dynamics and scene reader of an earlier checkpoint to go on from (`--initial`)",
        needs=("vae",),
        run=stage_runs.run_initial,
        when=lambda run: run.initial is not None,
    ),
    Stage(
        name="reader",
        makes="the scene reader, which decodes lane, lead and objects from pictures alone, recorded and made ones",
        needs=("record", "vae", "initial"),
        results=("reader/reader.safetensors",),
        run=stage_runs.run_reader,
    ),
    Stage(
        name="causal_teacher",
        makes="a larger causal teacher",
        needs=("latents",),
        results=("dynamics/causal_teacher/student.safetensors",),
        run=stage_runs.run_causal_teacher,
        when=lambda run: run.recipe.dynamics.trajectories is not None,
    ),
    Stage(
        name="trajectories",
        makes="the student's initialisation on the causal teacher's sampling trajectories",
        needs=("causal_teacher",),
        results=("dynamics/trajectories/student.safetensors",),
        run=stage_runs.run_trajectories,
        when=lambda run: run.recipe.dynamics.trajectories is not None,
    ),
    Stage(
        name="student",
        makes="the dynamics model: diffusion forcing, then more and more self-forcing on its own rollouts",
        needs=("latents", "initial", "trajectories"),
        results=("dynamics/student/student.safetensors",),
        run=stage_runs.run_student,
    ),
    Stage(
        name="teacher",
        makes="a bidirectional teacher of whole clips",
        needs=("latents",),
        results=("dynamics/teacher/teacher.safetensors",),
        run=stage_runs.run_teacher,
        when=lambda run: run.recipe.dynamics.match is not None,
    ),
    Stage(
        name="match",
        makes="the dynamics model after distribution matching against the teacher",
        needs=("student", "teacher"),
        results=("dynamics/match/student.safetensors",),
        run=stage_runs.run_match,
        when=lambda run: run.recipe.dynamics.match is not None,
    ),
    Stage(
        name="distill",
        makes="the dynamics model with many sampling steps distilled into few",
        needs=("student", "match"),
        results=("dynamics/distill/student.safetensors",),
        run=stage_runs.run_distill,
        when=lambda run: run.recipe.dynamics.distill is not None,
    ),
    Stage(
        name="self_rollouts",
        makes="clips by the finished dynamics model, which the decoder learns from",
        needs=("student", "match", "distill"),
        results=("own/clips.safetensors",),
        run=stage_runs.run_self_rollouts,
    ),
    Stage(
        name="decoder",
        makes="the tokenizer's decoder, sharpened against a critic",
        needs=("vae", "self_rollouts"),
        results=("decoder/vae.safetensors",),
        run=stage_runs.run_decoder,
    ),
    Stage(
        name="looks",
        makes="which style each light and weather of the reference world has, for edits of the look",
        needs=("record", "vae"),
        results=(f"checkpoint/{LOOKS_NAME}",),
        run=stage_runs.run_looks,
        when=lambda run: run.recording is None,
    ),
    Stage(
        name="trust",
        makes="calibrated trust; then the whole model is written to `checkpoint/`, by every run",
        needs=("actors", "decoder", "reader"),
        results=("trust/trust.safetensors", "trust/full_trust.safetensors"),
        run=stage_runs.run_trust,
    ),
    Stage(
        name="starts",
        makes="the start clips that come with the checkpoint",
        needs=("record",),
        results=(f"checkpoint/{STARTS_NAME}",),
        run=stage_runs.run_starts,
    ),
    Stage(
        name="evaluate",
        makes="an evaluation against held-out recordings",
        needs=("trust", "starts"),
        results=("evaluation/report.json",),
        run=stage_runs.run_evaluate,
        repeats=True,
    ),
)
"""All stages, in the order in which they run."""


def stage_named(name: str) -> Stage:
    """The entry of that name.

    Raises:
        ValueError: there is none.
    """
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise ValueError(f"no training stage {name!r}; there are {', '.join(stage.name for stage in STAGES)}")


def stages_until(run: TrainingRun, last: str) -> tuple[Stage, ...]:
    """The stages that this run has, up to `last` and with it.

    Raises:
        ValueError: there is no such stage, or this run does not have it.
    """
    end = STAGES.index(stage_named(last)) + 1
    chosen = tuple(stage for stage in STAGES[:end] if stage.when(run))
    if STAGES[end - 1] not in chosen:
        names = ", ".join(stage.name for stage in STAGES if stage.when(run))
        raise ValueError(f"this run has no stage {last!r}; it has {names}")
    return chosen


def ancestors(stage: Stage) -> Iterator[Stage]:
    """The stages that `stage` builds on, directly or through others; one may come twice."""
    for name in stage.needs:
        needed = stage_named(name)
        yield needed
        yield from ancestors(needed)


def outdated(stage: Stage, folder: Path) -> list[Path]:
    """The stage's results that are older than what it builds on: of a recipe that has since got another stage before
    it. Recordings do not count, they are sealed anew by every run; nor do stages that every run repeats.
    """
    if stage.repeats:
        return []
    sources = [folder / name for needed in ancestors(stage) if not needed.repeats for name in needed.results]
    newest = max((path.stat().st_mtime for path in sources if path.is_file()), default=0.0)
    results = [folder / name for name in stage.results]
    return [path for path in results if path.is_file() and path.stat().st_mtime < newest]


def stage_table() -> str:
    """STAGES as a Markdown table."""
    lines = ["| stage | makes | builds on | files |", "|---|---|---|---|"]
    for stage in STAGES:
        files = ", ".join(f"`{name}`" for name in stage.results)
        lines.append(f"| `{stage.name}` | {stage.makes} | {', '.join(stage.needs)} | {files} |")
    return "\n".join(lines)
