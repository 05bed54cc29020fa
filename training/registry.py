"""The stages of training, one entry each, in their order: what the command line, resuming and the docs read.

A new stage is a function that takes the run and an entry in STAGES.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from training.batches.scene_pictures import ScenePictures
from training.batches.self_rollouts import make_self_rollouts
from training.data.frame_store import picture_runs
from training.data.validity import known_of
from training.evaluation.evaluate import EvaluateConfig, evaluate
from training.evaluation.tokenizer import evaluate_tokenizer
from training.recipes import LONG_DRIVES, START_TOWNS
from training.recording.record import record
from training.recording.start_clips import cut_starts, make_starts
from training.stages.actors import train_actors
from training.stages.curriculum import build_causal_teacher
from training.stages.decoder import train_decoder
from training.stages.distillation import train_distill
from training.stages.distributed import first_process_first, is_first
from training.stages.distribution_matching import train_match
from training.stages.initial import initialise_from
from training.stages.made_pictures import make_pictures
from training.stages.scene_reader import train_reader
from training.stages.student import train_denoiser
from training.stages.teacher import Teacher, train_teacher
from training.stages.trust import train_trust
from training.stages.vae import train_vae
from training.training_run import TrainingRun
from worldsim.datatypes.starts import STARTS_NAME


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


def _record(run: TrainingRun) -> None:
    _ = run.dataset


def _vae(run: TrainingRun) -> None:
    train_vae(run.model.vae, run.scenes, run.blind_scenes, run.recipe.vae, run.folder / "vae")
    if run.held_out_store is not None and is_first():
        evaluate_tokenizer(run.model.eval(), run.held_out_store, run.folder / "vae")


def _latents(run: TrainingRun) -> None:
    _ = run.encoded


def _actors(run: TrainingRun) -> None:
    if not known_of(run.store.rows.valid).motion.any():
        raise ValueError(
            f"{run.dataset.root} does not tell how the ego moved and under which control: train --until vae"
        )
    train_actors(run.model.actors, run.scenes, run.recipe.actors, run.folder / "actors")


def _initial(run: TrainingRun) -> None:
    assert run.initial is not None
    if not initialise_from(run.model, run.initial):
        return
    # a student that can drive already learns from its own rollouts at once, gently, and needs no initialisation
    student = run.recipe.dynamics.student
    loop = replace(student.loop, learning_rate=0.5 * student.loop.learning_rate)
    dynamics = replace(run.recipe.dynamics, student=replace(student, loop=loop, self_from=0.0), trajectories=None)
    run.recipe = replace(run.recipe, dynamics=dynamics)


def _causal_teacher(run: TrainingRun) -> None:
    config = run.recipe.dynamics.trajectories
    assert config is not None
    run.causal_teacher = build_causal_teacher(run.recipe.model, config).to(run.device)
    folder = run.folder / "dynamics" / "causal_teacher"
    train_denoiser(run.causal_teacher, run.student_windows, config.teacher, folder, "causal teacher")


def _trajectories(run: TrainingRun) -> None:
    dynamics, student, teacher = run.recipe.dynamics, run.model.denoiser, run.causal_teacher
    assert dynamics.trajectories is not None
    assert teacher is not None
    student.step_std.copy_(teacher.step_std)
    student.unseen_std.copy_(teacher.unseen_std)
    folder = run.folder / "dynamics" / "trajectories"
    train_distill(student, teacher, run.student_windows, dynamics.trajectories.distill, dynamics.student, folder)


def _student(run: TrainingRun) -> None:
    folder = run.folder / "dynamics" / "student"
    train_denoiser(run.model.denoiser, run.student_windows, run.recipe.dynamics.student, folder)


def _build_teacher(run: TrainingRun) -> Teacher:
    dynamics = run.recipe.dynamics
    assert dynamics.teacher is not None
    teacher = Teacher(run.recipe.model, dynamics.teacher.dit).to(run.device)
    teacher.denoiser.dit.recompute = dynamics.student.recompute
    return teacher


def _teacher(run: TrainingRun) -> None:
    config = run.recipe.dynamics.teacher
    assert config is not None
    run.teacher = _build_teacher(run)
    train_teacher(run.teacher, run.windows(config.num_frames), config, run.folder / "dynamics" / "teacher")


def _match(run: TrainingRun) -> None:
    dynamics = run.recipe.dynamics
    assert dynamics.match is not None
    assert dynamics.teacher is not None
    assert run.teacher is not None
    train_match(
        run.model.denoiser,
        run.teacher,
        _build_teacher(run),
        run.student_windows,
        dynamics.match,
        dynamics.student,
        dynamics.teacher,
        run.folder / "dynamics" / "match",
    )


def _distill(run: TrainingRun) -> None:
    dynamics, student = run.recipe.dynamics, run.model.denoiser
    assert dynamics.distill is not None
    before, folder = copy.deepcopy(student), run.folder / "dynamics" / "distill"
    train_distill(student, before, run.student_windows, dynamics.distill, dynamics.student, folder)


def _self_rollouts(run: TrainingRun) -> None:
    config = run.recipe.self_rollouts
    _, lengths = picture_runs(run.dynamics_store)
    windows = run.windows(min(config.num_frames, int(lengths.max())))
    with first_process_first():
        path = run.folder / "own" / "clips.safetensors"
        run.self_rollouts = make_self_rollouts(run.model.eval(), windows, config, path)


def _reader(run: TrainingRun) -> None:
    config, folder = run.recipe.reader, run.folder / "reader"
    with first_process_first():
        pictures = ScenePictures(run.store, run.recipe.model, folder, config.stride)
        path = folder / "made_pictures.safetensors"
        made = make_pictures(run.model.vae.eval(), run.scenes, pictures.positions, config.made, path)
    train_reader(run.model.reader, pictures, made, config, folder)


def _decoder(run: TrainingRun) -> None:
    assert run.self_rollouts is not None
    folder, config = run.folder / "decoder", run.recipe.decoder
    train_decoder(run.model.vae, run.scenes, run.blind_scenes, run.self_rollouts, config, folder)


def _trust(run: TrainingRun) -> None:
    train_trust(run.model, run.store, run.recipe.trust, run.folder / "trust")
    if is_first():
        run.model.save(run.folder / "checkpoint", torch.float16)


def _starts(run: TrainingRun) -> None:
    if not is_first():
        return
    recipe, path = run.recipe, run.folder / "checkpoint" / STARTS_NAME
    if run.recording is None:
        make_starts(
            path,
            num_starts=recipe.num_starts,
            first_town=START_TOWNS,
            num_towns=max(1, recipe.num_starts // 2),
            frame_size=recipe.train_data.frame_size,
            num_context=recipe.model.num_context,
        )
    else:
        cut_starts(run.store, path, num_starts=recipe.num_starts, num_context=recipe.model.num_context)


def _evaluate(run: TrainingRun) -> None:
    if not is_first():
        return
    recipe, own_data = run.recipe, run.recording is None
    if own_data:
        record(recipe.test_data)
        record(recipe.long_data)
    evaluate(
        EvaluateConfig(
            data=recipe.test_data.out if own_data else run.dataset.root,
            long_data=recipe.long_data.out if own_data else None,
            tail=1.0 if own_data else run.held_out,
            out=run.folder / "evaluation",
            checkpoint=run.folder / "checkpoint",
            num_starts=recipe.evaluate_starts,
            seconds=recipe.evaluate_seconds,
            long_starts=min(LONG_DRIVES, recipe.evaluate_starts),
            long_seconds=recipe.long_seconds,
            loops=min(8, recipe.evaluate_starts) if own_data else 0,
            closed_loop_starts=min(8, recipe.evaluate_starts),
            device=run.device,
        )
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        name="record",
        makes="drives in procedural towns of the reference world",
        results=("data/train/meta/info.json",),
        run=_record,
        when=lambda run: run.recording is None,
        repeats=True,  # it goes on with episodes that are missing
    ),
    Stage(
        name="vae",
        makes="the tokenizer, a video autoencoder (VAE3D)",
        needs=("record",),
        results=("vae/vae.safetensors",),
        run=_vae,
    ),
    Stage(
        name="latents",
        makes="the latents of all frames, and what the dynamics model is told of each",
        needs=("vae",),
        results=("latents/encoded.npy",),
        run=_latents,
    ),
    Stage(
        name="actors",
        makes="the model that moves other road users",
        needs=("record",),
        results=("actors/actors.safetensors",),
        run=_actors,
    ),
    Stage(
        name="initial",
        makes="dynamics and scene reader of an earlier checkpoint to go on from (`--initial`)",
        needs=("vae",),
        run=_initial,
        when=lambda run: run.initial is not None,
    ),
    Stage(
        name="causal_teacher",
        makes="a larger causal teacher",
        needs=("latents",),
        results=("dynamics/causal_teacher/student.safetensors",),
        run=_causal_teacher,
        when=lambda run: run.recipe.dynamics.trajectories is not None,
    ),
    Stage(
        name="trajectories",
        makes="the student's initialisation on the causal teacher's sampling trajectories",
        needs=("causal_teacher",),
        results=("dynamics/trajectories/student.safetensors",),
        run=_trajectories,
        when=lambda run: run.recipe.dynamics.trajectories is not None,
    ),
    Stage(
        name="student",
        makes="the dynamics model: diffusion forcing, then more and more self-forcing on its own rollouts",
        needs=("latents", "initial", "trajectories"),
        results=("dynamics/student/student.safetensors",),
        run=_student,
    ),
    Stage(
        name="teacher",
        makes="a bidirectional teacher of whole clips",
        needs=("latents",),
        results=("dynamics/teacher/teacher.safetensors",),
        run=_teacher,
        when=lambda run: run.recipe.dynamics.match is not None,
    ),
    Stage(
        name="match",
        makes="the dynamics model after distribution matching against the teacher",
        needs=("student", "teacher"),
        results=("dynamics/match/student.safetensors",),
        run=_match,
        when=lambda run: run.recipe.dynamics.match is not None,
    ),
    Stage(
        name="distill",
        makes="the dynamics model with many sampling steps distilled into few",
        needs=("student", "match"),
        results=("dynamics/distill/student.safetensors",),
        run=_distill,
        when=lambda run: run.recipe.dynamics.distill is not None,
    ),
    Stage(
        name="self_rollouts",
        makes="clips by the finished dynamics model, which the decoder learns from",
        needs=("student", "match", "distill"),
        results=("own/clips.safetensors",),
        run=_self_rollouts,
    ),
    Stage(
        name="decoder",
        makes="the tokenizer's decoder, sharpened against a critic",
        needs=("vae", "self_rollouts"),
        results=("decoder/vae.safetensors",),
        run=_decoder,
    ),
    Stage(
        name="reader",
        makes="the scene reader, which decodes lane, lead and objects from pictures alone, recorded and made ones",
        needs=("record", "decoder"),
        results=("reader/reader.safetensors",),
        run=_reader,
    ),
    Stage(
        name="trust",
        makes="calibrated trust; then the whole model is written to `checkpoint/`, by every run",
        needs=("actors", "decoder", "reader"),
        results=("trust/trust.safetensors", "trust/full_trust.safetensors"),
        run=_trust,
    ),
    Stage(
        name="starts",
        makes="the start clips that come with the checkpoint",
        needs=("record",),
        results=(f"checkpoint/{STARTS_NAME}",),
        run=_starts,
    ),
    Stage(
        name="evaluate",
        makes="an evaluation against held-out recordings",
        needs=("trust", "starts"),
        results=("evaluation/report.json",),
        run=_evaluate,
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
