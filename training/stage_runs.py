"""How a run goes through each of its stages: one function a stage, which makes its results or loads those there are."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from training.batches.scene_pictures import ScenePictures
from training.batches.self_rollouts import make_self_rollouts
from training.data.frame_store import picture_runs
from training.data.recorded_streets import read_towns
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
from training.stages.layouts import train_layouts
from training.stages.looks import measure_looks
from training.stages.made_pictures import make_pictures
from training.stages.randomness import seeded
from training.stages.scene_reader import train_reader
from training.stages.student import train_denoiser
from training.stages.teacher import Teacher, train_teacher
from training.stages.trust import train_trust
from training.stages.vae import train_vae
from training.training_run import TrainingRun
from worldsim.datatypes.starts import STARTS_NAME
from worldsim.layouts.layout_model import LAYOUTS_NAME, LayoutModel, LayoutModelConfig
from worldsim.looks import LOOKS_NAME, save_looks


def run_record(run: TrainingRun) -> None:
    """The recording to train on."""
    _ = run.dataset


def run_vae(run: TrainingRun) -> None:
    """The tokenizer; of a recording made elsewhere also how well it keeps the end that it has not seen."""
    train_vae(run.model.vae, run.scenes, run.blind_scenes, run.recipe.vae, run.folder / "vae")
    if run.held_out_store is not None and is_first():
        evaluate_tokenizer(run.model.eval(), run.held_out_store, run.folder / "vae")


def run_latents(run: TrainingRun) -> None:
    """What the tokenizer makes of all frames."""
    _ = run.encoded


def run_actors(run: TrainingRun) -> None:
    """The model of other road users.

    Raises:
        ValueError: the recording does not tell how the ego moved.
    """
    if not known_of(run.store.rows.valid).motion.any():
        raise ValueError(
            f"{run.dataset.root} does not tell how the ego moved and under which control: train --until vae"
        )
    train_actors(run.model.actors, run.scenes, run.recipe.actors, run.folder / "actors")


def run_initial(run: TrainingRun) -> None:
    """What an earlier checkpoint gives; with its tokenizer the recipe becomes one for a student that drives."""
    assert run.initial is not None
    if not initialise_from(run.model, run.initial):
        return
    # a student that can drive already learns from its own rollouts at once, gently, and needs no initialisation
    student = run.recipe.dynamics.student
    loop = replace(student.loop, learning_rate=0.5 * student.loop.learning_rate)
    dynamics = replace(run.recipe.dynamics, student=replace(student, loop=loop, self_from=0.0), trajectories=None)
    run.recipe = replace(run.recipe, dynamics=dynamics)


def run_causal_teacher(run: TrainingRun) -> None:
    """The larger causal teacher."""
    config = run.recipe.dynamics.trajectories
    assert config is not None
    run.causal_teacher = build_causal_teacher(run.recipe.model, config).to(run.device)
    folder = run.folder / "dynamics" / "causal_teacher"
    train_denoiser(run.causal_teacher, run.student_windows, config.teacher, folder, "causal teacher")


def run_trajectories(run: TrainingRun) -> None:
    """The student's initialisation on the causal teacher's trajectories."""
    dynamics, student, teacher = run.recipe.dynamics, run.model.denoiser, run.causal_teacher
    assert dynamics.trajectories is not None
    assert teacher is not None
    student.step_std.copy_(teacher.step_std)
    student.unseen_std.copy_(teacher.unseen_std)
    folder = run.folder / "dynamics" / "trajectories"
    train_distill(student, teacher, run.student_windows, dynamics.trajectories.distill, dynamics.student, folder)


def run_student(run: TrainingRun) -> None:
    """The dynamics model."""
    folder = run.folder / "dynamics" / "student"
    train_denoiser(run.model.denoiser, run.student_windows, run.recipe.dynamics.student, folder)


def _build_teacher(run: TrainingRun) -> Teacher:
    dynamics = run.recipe.dynamics
    assert dynamics.teacher is not None
    teacher = Teacher(run.recipe.model, dynamics.teacher.dit).to(run.device)
    teacher.denoiser.dit.recompute = dynamics.student.recompute
    return teacher


def run_teacher(run: TrainingRun) -> None:
    """The bidirectional teacher."""
    config = run.recipe.dynamics.teacher
    assert config is not None
    run.teacher = _build_teacher(run)
    train_teacher(run.teacher, run.windows(config.num_frames), config, run.folder / "dynamics" / "teacher")


def run_match(run: TrainingRun) -> None:
    """The dynamics model after distribution matching."""
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


def run_distill(run: TrainingRun) -> None:
    """The dynamics model with fewer sampling steps, by itself as it was with many."""
    dynamics, student = run.recipe.dynamics, run.model.denoiser
    assert dynamics.distill is not None
    before, folder = copy.deepcopy(student), run.folder / "dynamics" / "distill"
    train_distill(student, before, run.student_windows, dynamics.distill, dynamics.student, folder)


def run_layouts(run: TrainingRun) -> None:
    """What stands along roads; it is ready at once, and written to the checkpoint beside the world model."""
    if not is_first():
        return
    towns, limits = read_towns(run.store)
    with seeded(0):  # initial weights
        model = LayoutModel(LayoutModelConfig(num_styles=len(towns)))
    train_layouts(model, towns, np.concatenate(limits), run.recipe.layouts, run.folder / "layouts")
    model.save(run.folder / "checkpoint" / LAYOUTS_NAME)


def run_looks(run: TrainingRun) -> None:
    """Light and weather by name, as the recorded drives have them; quick, so never resumed in the middle."""
    path = run.folder / "checkpoint" / LOOKS_NAME
    if is_first() and not path.is_file():
        save_looks(measure_looks(run.model.vae.eval(), run.scenes, run.recipe.looks), path)


def run_self_rollouts(run: TrainingRun) -> None:
    """Clips by the finished dynamics model."""
    config = run.recipe.self_rollouts
    _, lengths = picture_runs(run.dynamics_store)
    windows = run.windows(min(config.num_frames, int(lengths.max())))
    with first_process_first():
        path = run.folder / "own" / "clips.safetensors"
        run.self_rollouts = make_self_rollouts(run.model.eval(), windows, config, path)


def run_reader(run: TrainingRun) -> None:
    """The scene reader."""
    config, folder = run.recipe.reader, run.folder / "reader"
    with first_process_first():
        pictures = ScenePictures(run.store, run.recipe.model, folder, config.stride)
        path = folder / "made_pictures.safetensors"
        made = make_pictures(run.model.vae.eval(), run.scenes, pictures.positions, config.made, path)
    train_reader(run.model.reader, pictures, made, config, folder)


def run_decoder(run: TrainingRun) -> None:
    """The tokenizer's decoder on the model's own clips."""
    assert run.self_rollouts is not None
    folder, config = run.folder / "decoder", run.recipe.decoder
    train_decoder(run.model.vae, run.scenes, run.blind_scenes, run.self_rollouts, config, folder)


def run_trust(run: TrainingRun) -> None:
    """Both trusts; then the whole model is written."""
    train_trust(run.model, run.store, run.recipe.trust, run.folder / "trust")
    if is_first():
        run.model.save(run.folder / "checkpoint", torch.float16)


def run_starts(run: TrainingRun) -> None:
    """Start clips in towns of their own, or from the recording that was given."""
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


def run_evaluate(run: TrainingRun) -> None:
    """The evaluation, on recordings of held-out towns or on the end of the recording that was given."""
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
            realism_starts=min(24, recipe.evaluate_starts),
            traffic_starts=min(4, recipe.evaluate_starts // 12),
            device=run.device,
        )
    )
