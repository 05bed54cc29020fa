"""Recipes: Python functions that return everything a training run is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from training.batches.picture_rollouts import PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClipsConfig
from training.data.rollouts import RolloutDataset
from training.recording.behaviours import BehaviourMixture
from training.recording.record import RecordConfig
from training.stages.actors import ActorStageConfig
from training.stages.curriculum import DynamicsRecipe, TrajectoryStageConfig
from training.stages.decoder import DecoderStageConfig
from training.stages.distillation import DistillStageConfig
from training.stages.distribution_matching import MatchStageConfig
from training.stages.layouts import LayoutStageConfig
from training.stages.looks import LooksStageConfig
from training.stages.loop import LoopConfig
from training.stages.made_pictures import MadePicturesConfig
from training.stages.precision import Precision
from training.stages.scene_reader import ReaderStageConfig
from training.stages.student import StudentStageConfig
from training.stages.teacher import TeacherStageConfig
from training.stages.trust import TrustStageConfig
from training.stages.vae import PaintingConfig, VAEStageConfig
from worldsim.configs import CameraGeometry, DiTConfig, ReaderConfig, VAEConfig, WorldModelConfig
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.networks.sizes import dit_size

HELD_OUT_TOWNS = 100_000
"""Towns from this seed on are never trained on."""
START_TOWNS = 200_000
"""Towns from this seed on are those of start clips, which are neither trained on nor evaluated."""
LONG_DRIVES = 48
"""At most so many recorded drives are driven again for their pictures."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run: record, tokenizer, latents, student, evaluation.

    Args:
        model: what is trained.
        train_data: recording to train on.
        test_data: recording of held-out towns to evaluate on.
        vae: the tokenizer's stage.
        actors: the stage of the model that moves other road users.
        dynamics: the stages of teacher and student.
        dynamics_episodes: of the recording, those that they learn from, the first ones; None for all. To encode a
            frame takes about as long as to learn from it once.
        self_rollouts: clips by the trained dynamics, which the decoder learns from beside recorded ones.
        reader: the scene reader's stage.
        decoder: the stage that trains the tokenizer's decoder once more, against a critic, on unchanged latents.
        trust: the stage that calibrates how far frames may be believed.
        num_starts: start clips shipped with the model.
        evaluate_starts: starts of the evaluation.
        evaluate_seconds: length of its rollouts [s].
        long_seconds: length of its long drives [s].
        layouts: the stage of the model that makes towns.
        looks: the stage that measures light and weather by name.
    """

    model: WorldModelConfig
    train_data: RecordConfig
    test_data: RecordConfig
    vae: VAEStageConfig
    actors: ActorStageConfig
    dynamics: DynamicsRecipe
    self_rollouts: SelfRolloutClipsConfig
    reader: ReaderStageConfig
    decoder: DecoderStageConfig
    trust: TrustStageConfig
    num_starts: int
    evaluate_starts: int
    evaluate_seconds: float
    long_seconds: float
    dynamics_episodes: int | None = None
    layouts: LayoutStageConfig = field(
        default_factory=lambda: LayoutStageConfig(
            loop=LoopConfig(num_steps=1300, learning_rate=4e-3, save_every=300, log_every=50)
        )
    )
    looks: LooksStageConfig = field(default_factory=LooksStageConfig)

    @property
    def long_data(self) -> RecordConfig:
        """Recording of held-out towns by the lane follower alone, with room for the evaluation's long drives."""
        num = min(LONG_DRIVES, self.evaluate_starts)
        return replace(
            self.test_data,
            out=self.test_data.out.with_name("long"),
            num_episodes=num,
            num_towns=max(1, num // 2),
            seconds_per_episode=max(1.25 * self.long_seconds, self.test_data.min_seconds + 1.0),
            mixture=BehaviourMixture.only("lane_following"),
        )


def _recordings(num_episodes: int, num_towns: int, seconds: float, num_test: int) -> tuple[RecordConfig, RecordConfig]:
    train = RecordConfig(
        num_episodes=num_episodes,
        num_towns=num_towns,
        seconds_per_episode=seconds,
        episodes_per_town=num_episodes // num_towns,
    )
    test = replace(train, num_episodes=num_test, first_town=HELD_OUT_TOWNS, num_towns=max(1, num_test // 2), seed=1)
    return train, replace(test, episodes_per_town=2)


def debug() -> Recipe:
    """Every stage for a few steps; proves that the path runs, learns nothing worth seeing."""
    train, test = _recordings(num_episodes=8, num_towns=2, seconds=8.0, num_test=4)
    few = LoopConfig(num_steps=3, warmup_steps=1, ema_decay=0.9)
    dit = DiTConfig(width=64, depth=2, num_heads=2, conv_width=32, num_conv_blocks=1, use_memory=True)
    rollouts, painting = PictureRolloutsConfig(num=4, batch_size=2), PaintingConfig(critic_width=8)
    return Recipe(
        model=WorldModelConfig(
            vae=VAEConfig(widths=(16, 32, 32), fine_width=8, num_blocks=1),
            dit=dit,
            reader=ReaderConfig(stem_width=8, widths=(16, 16, 24), num_blocks=1, cell_width=16),
        ),
        train_data=train,
        test_data=test,
        vae=VAEStageConfig(
            loop=LoopConfig(num_steps=20, warmup_steps=5, ema_decay=0.9), rollouts=rollouts, painting=painting
        ),
        actors=ActorStageConfig(loop=LoopConfig(num_steps=40, warmup_steps=5, ema_decay=0.9)),
        layouts=LayoutStageConfig(loop=few),
        dynamics=DynamicsRecipe(
            teacher=TeacherStageConfig(loop=few, dit=dit, batch_size=2, num_frames=6),
            trajectories=TrajectoryStageConfig(
                dit=replace(dit, depth=3),
                teacher=StudentStageConfig(loop=few, batch_size=2, self_from=1.0),
                distill=DistillStageConfig(loop=few, self_rollout_fraction=0.0),
            ),
            student=StudentStageConfig(loop=replace(few, num_steps=40), batch_size=4, lookahead_weight=0.1),
            match=MatchStageConfig(loop=few),
            distill=DistillStageConfig(loop=few),
        ),
        self_rollouts=SelfRolloutClipsConfig(num=8, num_frames=8),
        reader=ReaderStageConfig(
            loop=LoopConfig(num_steps=10, warmup_steps=2, ema_decay=0.9),
            batch_size=8,
            made=MadePicturesConfig(num_steps=8, rollouts=rollouts),
        ),
        decoder=DecoderStageConfig(
            loop=LoopConfig(num_steps=5, warmup_steps=2, ema_decay=0.9), rollouts=rollouts, painting=painting
        ),
        trust=TrustStageConfig(num_starts=4, seconds=1.0),
        num_starts=4,
        evaluate_starts=6,
        evaluate_seconds=3.0,
        long_seconds=3.0,
    )


def tiny() -> Recipe:
    """The default world: 128x128, 64 tokens a frame, for two CPU cores and a few hours, or a GPU and minutes.

    How far the shipped weights are those of one run is in worldsim/default/README.md.
    """
    train, test = _recordings(num_episodes=480, num_towns=160, seconds=40.0, num_test=48)
    return Recipe(
        model=WorldModelConfig(dit=DiTConfig(depth=2, window=4, use_memory=True, latent_limit=5.0), num_steps=1),
        train_data=train,
        test_data=test,
        vae=VAEStageConfig(
            loop=LoopConfig(num_steps=5000, learning_rate=1e-3, final_learning_rate=0.05, save_every=50)
        ),
        actors=ActorStageConfig(loop=LoopConfig(num_steps=6000, learning_rate=3e-3, save_every=2000, log_every=100)),
        dynamics=DynamicsRecipe(
            student=StudentStageConfig(
                loop=LoopConfig(num_steps=3200, learning_rate=1e-3, weight_decay=0.02), num_frames=9
            ),
            # one step is enough before it, so there is no teacher: it learns to differ as the truth differs
            distill=DistillStageConfig(
                loop=LoopConfig(num_steps=200, learning_rate=3e-4, warmup_steps=20, weight_decay=0.02, seed=5),
                student_steps=(1,),
                velocity_weight=0.0,
                one_step_weight=0.0,
                score_weight=1.0,
            ),
        ),
        dynamics_episodes=120,
        self_rollouts=SelfRolloutClipsConfig(num=96, num_frames=120),
        reader=ReaderStageConfig(
            loop=LoopConfig(num_steps=7000, learning_rate=1.5e-3, warmup_steps=100, weight_decay=0.02, seed=2),
            batch_size=16,
        ),
        decoder=DecoderStageConfig(loop=LoopConfig(num_steps=600, learning_rate=3e-4, warmup_steps=20, seed=1)),
        trust=TrustStageConfig(),
        num_starts=64,
        evaluate_starts=48,
        evaluate_seconds=6.0,
        long_seconds=60.0,
    )


def small() -> Recipe:
    """256x256 frames, DriveDiT's size, 256 tokens a frame, for one big GPU (80 GB) and about a day."""
    recipe = tiny()
    train, test = _recordings(num_episodes=2400, num_towns=600, seconds=30.0, num_test=80)
    frame_size, dit = (256, 256), replace(dit_size("drivedit"), use_memory=True)
    loop = LoopConfig(
        num_steps=60_000,
        learning_rate=3e-4,
        warmup_steps=1000,
        weight_decay=0.02,
        ema_decay=0.999,
        save_every=1000,
    )
    short, rollouts = replace(loop, num_steps=10_000, learning_rate=1e-4), PictureRolloutsConfig(num=192, batch_size=32)
    student = StudentStageConfig(
        loop=loop, batch_size=32, num_frames=12, recompute=True, self_ramp=0.4, lookahead_weight=0.05
    )
    return replace(
        recipe,
        model=WorldModelConfig(
            frame_size=frame_size,
            vae=VAEConfig(latent_channels=16, widths=(64, 128, 224), fine_width=32),
            dit=dit,
            reader=ReaderConfig(stem_width=32, widths=(64, 112, 160)),
        ),
        train_data=replace(train, frame_size=frame_size),
        test_data=replace(test, frame_size=frame_size),
        vae=VAEStageConfig(loop=LoopConfig(num_steps=40_000, learning_rate=5e-4, save_every=1000), rollouts=rollouts),
        dynamics=DynamicsRecipe(
            teacher=TeacherStageConfig(loop=loop, dit=dit_size("drivedit"), batch_size=32, num_frames=12),
            trajectories=TrajectoryStageConfig(
                dit=replace(dit, depth=16),
                teacher=replace(student, self_from=1.0),
                distill=DistillStageConfig(loop=short, self_rollout_fraction=0.0),
            ),
            student=student,
            match=MatchStageConfig(loop=short, guidance=1.5, fake_rate=2.0),
            distill=DistillStageConfig(loop=short),
        ),
        self_rollouts=SelfRolloutClipsConfig(num=4000),
        reader=replace(recipe.reader, loop=replace(recipe.reader.loop, num_steps=40_000, save_every=1000)),
        decoder=replace(
            recipe.decoder,
            loop=replace(recipe.decoder.loop, num_steps=20_000, learning_rate=3e-4, save_every=1000),
            rollouts=rollouts,
        ),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"debug": debug, "tiny": tiny, "small": small}


def recipe_at(name: str, out: Path) -> Recipe:
    """The recipe of that name with its recordings below `out`.

    Raises:
        ValueError: no such recipe.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]()
    return replace(
        recipe,
        train_data=replace(recipe.train_data, out=out / "data" / "train"),
        test_data=replace(recipe.test_data, out=out / "data" / "test"),
    )


def fitted_to(recipe: Recipe, dataset: RolloutDataset, camera: CameraGeometry, vehicle: VehicleModel) -> Recipe:
    """The recipe for a recording made elsewhere: its frame size and rate, its camera and vehicle.

    Raises:
        ValueError: the frame size is none for the model.
    """
    model = replace(
        recipe.model,
        frame_size=dataset.frame_size,
        dt=1 / dataset.fps,
        camera=camera,
        vehicle=vehicle,
    )
    return replace(recipe, model=model)


Config = TypeVar("Config")


def in_precision(config: Config, precision: Precision) -> Config:
    """A recipe, or any dataclass in it, whose stages calculate in `precision` unless they have one of their own."""
    changes: dict[str, Any] = {
        f.name: in_precision(getattr(config, f.name), precision)
        for f in fields(config)  # type: ignore[arg-type]
        if is_dataclass(getattr(config, f.name))
    }
    if isinstance(config, LoopConfig) and config.precision is None:
        changes["precision"] = precision
    return replace(config, **changes) if changes else config  # type: ignore[type-var]
