"""The face of DriveDiT: registers the env ids and re-exports the public API lazily; drivedit.command is its command."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _check_packages() -> None:
    """Refuse to start when Python finds another package of the same name before one of ours.

    Raises:
        ImportError: it does; both places are named.
    """
    home = Path(__file__).resolve().parent.parent
    for name in ("worldsim", "envs", "policies", "scenarios", "training"):
        spec = importlib.util.find_spec(name)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            continue  # missing or made up on the fly: its import says what is wrong
        found = Path(next(iter(spec.submodule_search_locations or ()), spec.origin or "")).resolve()
        if found != home / name:
            raise ImportError(
                f"DriveDiT's package {name!r} is hidden by {found}, which Python finds before {home / name}. Rename "
                f"that {'folder' if found.is_dir() else 'file'}, or start Python from another folder"
            )


_check_packages()

from envs.deprecation import warn_renamed  # noqa: E402  only now is it known to be ours
from envs.registration import register_envs  # noqa: E402

if TYPE_CHECKING:
    from drivedit.command import main as main
    from drivedit.config import ModelConfig as ModelConfig
    from drivedit.config import StudentConfig as StudentConfig
    from drivedit.config import VAEConfig as VAEConfig
    from drivedit.data import AugmentationPipeline as AugmentationPipeline
    from drivedit.data import VideoDataset as VideoDataset
    from drivedit.data import VideoLoader as VideoLoader
    from drivedit.data import VideoPreprocessor as VideoPreprocessor
    from drivedit.evaluation import PerformanceBenchmark as PerformanceBenchmark
    from drivedit.evaluation import SequenceEvaluator as SequenceEvaluator
    from drivedit.evaluation import WorldModelBenchmark as WorldModelBenchmark
    from drivedit.evaluation import compute_all_metrics as compute_all_metrics
    from drivedit.inference import InferenceConfig as InferenceConfig
    from drivedit.inference import StreamingRollout as StreamingRollout
    from drivedit.models import VAE3D as VAE3D
    from drivedit.models import DiTStudent as DiTStudent
    from drivedit.models import DiTTeacher as DiTTeacher
    from drivedit.models import MemoryBank as MemoryBank
    from drivedit.training import DistillationTrainer as DistillationTrainer
    from drivedit.training import SelfForcingTrainer as SelfForcingTrainer
    from drivedit.training import VAETrainer as VAETrainer
    from envs.carla.carla_world import CarlaWorld as CarlaWorld
    from envs.carla.config import CarlaWorldConfig as CarlaWorldConfig
    from envs.carla.leaderboard_routes import LeaderboardRoute as LeaderboardRoute
    from envs.carla.leaderboard_routes import read_routes as read_routes
    from envs.carla.leaderboard_routes import route_on_map as route_on_map
    from envs.counterfactual import Counterfactuals as Counterfactuals
    from envs.counterfactual import counterfactuals as counterfactuals
    from envs.driving_env import DrivingEnv as DrivingEnv
    from envs.driving_env import DrivingEnvConfig as DrivingEnvConfig
    from envs.driving_env import TruncationReason as TruncationReason
    from envs.learned.config import LearnedWorldConfig as LearnedWorldConfig
    from envs.learned.learned_world import LearnedWorld as LearnedWorld
    from envs.maps.road_map import RoadMap as RoadMap
    from envs.maps.road_map import load_map as load_map
    from envs.maps.road_map import load_town as load_town
    from envs.registration import make_carla_env as make_carla_env
    from envs.registration import make_learned_env as make_learned_env
    from envs.registration import make_learned_vector_env as make_learned_vector_env
    from envs.registration import make_road_env as make_road_env
    from envs.road.config import RoadWorldConfig as RoadWorldConfig
    from envs.road.road_world import RoadWorld as RoadWorld
    from envs.scripted_actors import ActorScript as ActorScript
    from envs.scripted_actors import ActorState as ActorState
    from envs.scripted_actors import ScriptedActors as ScriptedActors
    from envs.scripted_actors import TrafficLevel as TrafficLevel
    from envs.vector_env import DrivingVectorEnv as DrivingVectorEnv
    from envs.world import World as World
    from envs.world import WorldStep as WorldStep
    from policies.drive import Rollout as Rollout
    from policies.drive import drive as drive
    from policies.policy import Policy as Policy
    from policies.registry import make_policy as make_policy
    from training.data.rollout_writer import RolloutWriter as RolloutWriter
    from training.data.rollouts import RolloutDataset as RolloutDataset
    from worldsim.datatypes.scene import ObjectKind as ObjectKind
    from worldsim.datatypes.scene import RouteCommand as RouteCommand
    from worldsim.datatypes.scene import SceneState as SceneState
    from worldsim.datatypes.start_clip import StartClip as StartClip
    from worldsim.datatypes.vehicle import VehicleModel as VehicleModel
    from worldsim.editing import edit as edit
    from worldsim.model_state import Prediction as Prediction
    from worldsim.world_model import WorldModel as WorldModel

__all__ = [
    "VAE3D",
    "ActorScript",
    "ActorState",
    "AugmentationPipeline",
    "CarlaWorld",
    "CarlaWorldConfig",
    "Counterfactuals",
    "DiTStudent",
    "DiTTeacher",
    "DistillationTrainer",
    "DrivingEnv",
    "DrivingEnvConfig",
    "DrivingVectorEnv",
    "InferenceConfig",
    "LeaderboardRoute",
    "LearnedWorld",
    "LearnedWorldConfig",
    "MemoryBank",
    "ModelConfig",
    "ObjectKind",
    "PerformanceBenchmark",
    "Policy",
    "Prediction",
    "RoadMap",
    "RoadWorld",
    "RoadWorldConfig",
    "Rollout",
    "RolloutDataset",
    "RolloutWriter",
    "RouteCommand",
    "SceneState",
    "ScriptedActors",
    "SelfForcingTrainer",
    "SequenceEvaluator",
    "StartClip",
    "StreamingRollout",
    "StudentConfig",
    "TrafficLevel",
    "TruncationReason",
    "VAEConfig",
    "VAETrainer",
    "VehicleModel",
    "VideoDataset",
    "VideoLoader",
    "VideoPreprocessor",
    "World",
    "WorldModel",
    "WorldModelBenchmark",
    "WorldStep",
    "compute_all_metrics",
    "counterfactuals",
    "drive",
    "edit",
    "load_map",
    "load_town",
    "main",
    "make_carla_env",
    "make_learned_env",
    "make_learned_vector_env",
    "make_policy",
    "make_road_env",
    "read_routes",
    "route_on_map",
]

_HOME_OF = {
    name: module
    for module, names in {
        "drivedit.command": ("main",),
        "drivedit.config": ("ModelConfig", "StudentConfig", "VAEConfig"),
        "drivedit.data": ("AugmentationPipeline", "VideoDataset", "VideoLoader", "VideoPreprocessor"),
        "drivedit.evaluation": (
            "PerformanceBenchmark",
            "SequenceEvaluator",
            "WorldModelBenchmark",
            "compute_all_metrics",
        ),
        "drivedit.inference": ("InferenceConfig", "StreamingRollout"),
        "drivedit.models": ("DiTStudent", "DiTTeacher", "MemoryBank", "VAE3D"),
        "drivedit.training": ("DistillationTrainer", "SelfForcingTrainer", "VAETrainer"),
        "envs.carla.config": ("CarlaWorldConfig",),
        "envs.carla.leaderboard_routes": ("LeaderboardRoute", "read_routes", "route_on_map"),
        "envs.carla.carla_world": ("CarlaWorld",),
        "envs.counterfactual": ("Counterfactuals", "counterfactuals"),
        "envs.learned.config": ("LearnedWorldConfig",),
        "envs.learned.learned_world": ("LearnedWorld",),
        "envs.driving_env": ("DrivingEnv", "DrivingEnvConfig", "TruncationReason"),
        "envs.registration": ("make_carla_env", "make_learned_env", "make_learned_vector_env", "make_road_env"),
        "envs.road.config": ("RoadWorldConfig",),
        "envs.road.road_world": ("RoadWorld",),
        "envs.maps.road_map": ("RoadMap", "load_map", "load_town"),
        "envs.scripted_actors": ("ActorScript", "ActorState", "ScriptedActors", "TrafficLevel"),
        "envs.vector_env": ("DrivingVectorEnv",),
        "envs.world": ("World", "WorldStep"),
        "policies.drive": ("Rollout", "drive"),
        "policies.policy": ("Policy",),
        "policies.registry": ("make_policy",),
        "training.data.rollout_writer": ("RolloutWriter",),
        "training.data.rollouts": ("RolloutDataset",),
        "worldsim.datatypes.scene": ("ObjectKind", "RouteCommand", "SceneState"),
        "worldsim.datatypes.start_clip": ("StartClip",),
        "worldsim.datatypes.vehicle": ("VehicleModel",),
        "worldsim.model_state": ("Prediction",),
        "worldsim.world_model": ("WorldModel",),
    }.items()
    for name in names
}


_MODULES = {"edit": "worldsim.editing.edit"}
"""Modules that are public under a name of their own."""
_RENAMED = {
    "DreamWorld": "LearnedWorld",
    "DreamWorldConfig": "LearnedWorldConfig",
    "make_dream_env": "make_learned_env",
    "make_dream_vector_env": "make_learned_vector_env",
}
"""Today's names by their old ones, which work for this release."""


def __getattr__(name: str) -> Any:
    """The public name `name`, imported from its home on first use: importing drivedit alone loads no torch."""
    if name in _RENAMED:
        warn_renamed(f"drivedit.{name}", f"drivedit.{_RENAMED[name]}", "name")
        return getattr(sys.modules[__name__], _RENAMED[name])
    if name in _MODULES:
        globals()[name] = importlib.import_module(_MODULES[name])
        return globals()[name]
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_envs()
