"""The recipe for one big GPU: its shapes, on a few frames, for a step or two of every stage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("carla", reason="the reference world's roads need the carla package")
from tiny_model import CONTROL, random_clip

from envs.registration import make_learned_env
from training import recipes
from training.batches.picture_rollouts import PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClipsConfig
from training.recipes import Recipe
from training.stages.curriculum import DynamicsRecipe
from training.stages.loop import LoopConfig
from training.stages.made_pictures import MadePicturesConfig
from training.train import TrainConfig, train
from worldsim.world_model import WorldModel

NO_GPU = not torch.cuda.is_available()


def for_a_step_each(dynamics: DynamicsRecipe, loop: LoopConfig) -> DynamicsRecipe:
    assert dynamics.teacher is not None
    assert dynamics.trajectories is not None
    assert dynamics.match is not None
    assert dynamics.distill is not None
    student = replace(dynamics.student, loop=loop, batch_size=1, self_from=0.0, self_ramp=0.01, self_fraction=1.0)
    return DynamicsRecipe(
        teacher=replace(dynamics.teacher, loop=loop, batch_size=1),
        trajectories=replace(
            dynamics.trajectories, teacher=student, distill=replace(dynamics.trajectories.distill, loop=loop)
        ),
        student=student,
        match=replace(dynamics.match, loop=loop),
        distill=replace(dynamics.distill, loop=loop),
    )


def for_a_step(recipe: Recipe) -> Recipe:
    """The same world, a step or two of training on next to no data."""
    loop = LoopConfig(num_steps=2, warmup_steps=1)
    rollouts = PictureRolloutsConfig(num=2, batch_size=2)
    few = {"num_episodes": 2, "num_towns": 1, "seconds_per_episode": 4.0}
    return replace(
        recipe,
        train_data=replace(recipe.train_data, **few),
        test_data=replace(recipe.test_data, **few),
        vae=replace(recipe.vae, loop=loop, rollouts=rollouts),
        actors=replace(recipe.actors, loop=loop),
        dynamics=for_a_step_each(recipe.dynamics, loop),
        self_rollouts=SelfRolloutClipsConfig(num=1),
        reader=replace(
            recipe.reader,
            loop=loop,
            batch_size=2,
            made=MadePicturesConfig(num_steps=8, rollouts=rollouts),
        ),
        decoder=replace(recipe.decoder, loop=loop, rollouts=rollouts),
        trust=replace(recipe.trust, num_starts=1, seconds=0.3),
        num_starts=1,
        evaluate_starts=1,
        evaluate_seconds=0.5,
        long_seconds=0.5,
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(NO_GPU, reason="no CUDA device")]),
    ],
)
def test_the_small_recipe_runs_at_its_full_shape(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "small", lambda: for_a_step(recipes.small()))
    train(TrainConfig(recipe="small", out=tmp_path, device=device, num_workers=0))
    assert (tmp_path / "evaluation" / "report.json").is_file()
    env = make_learned_env(checkpoint=tmp_path / "checkpoint", device=device)
    env.reset(seed=0)
    frame, *_ = env.step(np.array([0.0, 0.5], np.float32))
    assert frame.shape == (256, 256, 3)


def test_the_small_recipe_is_drivedit_at_256() -> None:
    model = recipes.small().model
    assert model.frame_size == recipes.small().train_data.frame_size == (256, 256)
    assert (model.dit.width, model.dit.depth, model.dit.num_heads) == (512, 12, 8)


def test_the_world_of_the_small_recipe_steps() -> None:
    torch.manual_seed(0)
    model = WorldModel(recipes.small().model).eval().requires_grad_(False)
    frames = np.random.default_rng(0).integers(0, 255, (3, 256, 256, 3), dtype=np.uint8)
    state = model.begin([replace(random_clip(3), frames=frames)], [0])
    state, prediction = model.step(state, CONTROL, num_steps=1)
    assert prediction.frames is not None
    assert prediction.frames.shape == (1, 256, 256, 3)
    assert state.latent.latents.shape == (1, 3, 16, 32, 32)
    assert state.cache_length == 3 * 256 + 256
