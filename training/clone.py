"""`drivedit clone`: train planners by behaviour cloning. PIXEL_STAGES and PLANT_STAGE say how much each gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import torch
from torch import nn

from envs.folder_lock import lock_folder
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.pixels.network import PixelNetwork
from policies.plant.network import PlanTNetwork
from policies.rule_based import LaneFollower, LaneFollowerConfig
from training.batches.pixel_samples import PixelSamples, label_scenes
from training.batches.plant_samples import PlanTSamples
from training.data.frame_store import FrameStore
from training.data.rollouts import RolloutDataset
from training.recipes import in_precision
from training.stages.distributed import process_device
from training.stages.loop import LoopConfig
from training.stages.pixel_planner import CloneStageConfig, result_path, train_pixel_planner
from training.stages.plant_planner import PlanTStageConfig, train_plant
from training.stages.precision import Precision, run_precision
from training.stages.randomness import seeded
from worldsim.checkpoint import load_weights, save_weights
from worldsim.option_checks import check_options


def _stage(num_steps: int, num_episodes: int | None = None, begins_from: str | None = None) -> CloneStageConfig:
    rate = 1.5e-3 if begins_from is None else 5e-4
    loop = LoopConfig(num_steps=num_steps, learning_rate=rate, warmup_steps=min(100, num_steps // 4), save_every=250)
    return CloneStageConfig(loop=loop, num_episodes=num_episodes, begins_from=begins_from)


PIXEL_STAGES: dict[str, CloneStageConfig] = {
    "pixels": _stage(1600),
    "pixels_grey": _stage(150, begins_from="pixels"),
    "pixels_delayed": _stage(150, begins_from="pixels"),
    "pixels_narrow": _stage(150, begins_from="pixels"),
    "pixels_blurred": _stage(150, begins_from="pixels"),
    "pixels_brief": _stage(200),
    "pixels_little_data": _stage(250, num_episodes=24),
    "pixels_least_data": _stage(250, num_episodes=6),
}
"""Name in PIXEL_PLANNERS to how it is trained; one that others begin from comes before them."""
PLANT = "plant"
PLANT_STAGE = PlanTStageConfig(
    loop=LoopConfig(num_steps=6000, learning_rate=1.5e-3, warmup_steps=200, save_every=1000, precision="float32")
)
"""How PlanT is trained."""
PLANNERS = (*PIXEL_STAGES, PLANT)
"""Names of all planners that are trained."""


def planner_table() -> str:
    """The pixel planners and their training as a Markdown table."""
    lines = ["| planner | what sets it apart | steps |", "|---|---|---|"]
    for name, stage in PIXEL_STAGES.items():
        steps = f"{stage.loop.num_steps:,}"
        if stage.begins_from is not None:
            steps += f", from those of `{stage.begins_from}` on"
        lines.append(f"| `{name}` | {PIXEL_PLANNERS[name].title} | {steps} |")
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class CloneConfig:
    """Planners to train. Run it again to go on where it stopped.

    Args:
        data: recording of the reference world, as `drivedit record` and `drivedit train` make them.
        out: folder of the run; the finished weights lie in `weights` below it.
        planners: names of those to train; all by default. "plant" needs no pictures.
        num_steps: of each, instead of its own.
        device: torch device, None for a GPU if there is one.
        precision: that losses are calculated in. None: what is faster on this machine, measured when the run begins.
        num_threads: of torch, None leaves it.

    Raises:
        ValueError: no planner has such a name, or there are no steps.
    """

    data: Path = Path("runs/tiny/data/train")
    out: Path = Path("runs/planners")
    planners: tuple[str, ...] = PLANNERS
    num_steps: int | None = None
    device: str | None = None
    precision: Precision | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.num_steps is not None and self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")
        unknown = sorted(set(self.planners) - set(PLANNERS))
        if unknown:
            raise ValueError(f"no planner is named {', '.join(unknown)}; there are {', '.join(PLANNERS)}")

    def loop(self, planned: LoopConfig) -> LoopConfig:
        """How long a planner is trained."""
        return planned if self.num_steps is None else replace(planned, num_steps=self.num_steps)


def clone(config: CloneConfig) -> None:
    """Train the planners that are not done yet; their weights end in `<out>/weights`, float16.

    Raises:
        ValueError: there is no such recording, or nothing in it can be imitated.
        FileNotFoundError: the planner that one begins from has not been trained.
        FolderInUseError: another process trains there.
    """
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    device = config.device or process_device()
    with lock_folder(config.out):
        precision = run_precision(config.out, device, config.precision)
        dataset = RolloutDataset(config.data)
        pixel_planners = [name for name in config.planners if name in PIXEL_STAGES]
        if pixel_planners:
            _clone_pixel_planners(config, pixel_planners, FrameStore(dataset), device, precision)
        if PLANT in config.planners:
            _clone_plant(config, dataset, device, precision)
    print(f"weights: {config.out / 'weights'}")


def _clone_pixel_planners(
    config: CloneConfig, names: list[str], store: FrameStore, device: str, precision: Precision
) -> None:
    labels = label_scenes(store.rows.scenes, LaneFollowerConfig())
    for name in names:
        stage = in_precision(replace(PIXEL_STAGES[name], loop=config.loop(PIXEL_STAGES[name].loop)), precision)
        part = first_episodes(store, stage.num_episodes)
        samples = PixelSamples(part, labels.first(len(part.rows)), PIXEL_PLANNERS[name].vision)
        with seeded(crc32(name.encode())):
            network = PixelNetwork().to(device)
            if stage.begins_from is not None:
                load_weights(network, result_path(config.out / stage.begins_from))
            train_pixel_planner(network, samples, stage, config.out / name)
        _save(network, config, name)


def _clone_plant(config: CloneConfig, dataset: RolloutDataset, device: str, precision: Precision) -> None:
    stage = in_precision(replace(PLANT_STAGE, loop=config.loop(PLANT_STAGE.loop)), precision)
    with seeded(crc32(PLANT.encode())):
        network = PlanTNetwork().to(device)
        train_plant(network, PlanTSamples.of(dataset, LaneFollower()), stage, config.out / PLANT)
    _save(network, config, PLANT)


def _save(network: nn.Module, config: CloneConfig, name: str) -> None:
    save_weights(network, config.out / "weights" / f"{name}.safetensors", torch.float16)


def first_episodes(store: FrameStore, num: int | None) -> FrameStore:
    """The part of a recording that holds its first `num` episodes; all of it for None, or if there are no more."""
    if num is None or num >= len(store.starts):
        return store
    return store.part(0, int(store.starts[num]))
