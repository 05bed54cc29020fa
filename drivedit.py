"""The face of DriveDiT: registers the env ids, re-exports the public API lazily, holds the `drivedit` command."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _check_packages() -> None:
    """Refuse to start when Python finds another package of the same name before one of ours.

    Raises:
        ImportError: it does; both places are named.
    """
    home = Path(__file__).resolve().parent
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

__path__ = [str(Path(__file__).resolve().parent / "scenarios" / "scenic" / "world_model")]
"""Where Scenic finds `model drivedit.model`."""

from envs.deprecation import warn_renamed  # noqa: E402  only now is it known to be ours
from envs.registration import register_envs  # noqa: E402

if TYPE_CHECKING:
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
    "ActorScript",
    "ActorState",
    "CarlaWorld",
    "CarlaWorldConfig",
    "Counterfactuals",
    "DrivingEnv",
    "DrivingEnvConfig",
    "DrivingVectorEnv",
    "LeaderboardRoute",
    "LearnedWorld",
    "LearnedWorldConfig",
    "ObjectKind",
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
    "StartClip",
    "TruncationReason",
    "VehicleModel",
    "World",
    "WorldModel",
    "WorldStep",
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
        "envs.scripted_actors": ("ActorScript", "ActorState", "ScriptedActors"),
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


# The verbs of the command. Each imports its own module only when chosen; the docstring is its line of help.
Verb = Callable[[], tuple[type, Callable[[Any], object]]]


def _demo():
    """Let the planner drive the shipped learned world; writes a video and a report."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a model this small is many times slower where threads share cores
    from scenarios.demo import DemoConfig, demo

    return DemoConfig, demo


def _play():
    """Drive the learned or the reference world yourself, in a window."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    from envs.viewer.config import PlayConfig
    from envs.viewer.window import play
    from policies.registry import make_policy

    def run(config: PlayConfig) -> None:
        play(config, lambda name: make_policy(name, checkpoint=config.checkpoint, allow_pickle=config.allow_pickle))

    return PlayConfig, run


def _validate():
    """Run a policy through the scenarios to a verdict; exit code 0 pass, 1 fail, 4 inconclusive."""
    from scenarios.validate import validate
    from scenarios.validation_config import ValidateConfig

    return ValidateConfig, validate


def _scenarios():
    """List the scenarios, or write their cases as OpenSCENARIO files."""
    from scenarios.catalogue_command import ScenariosConfig, show_scenarios

    return ScenariosConfig, show_scenarios


def _falsify():
    """Search a scenario for failures of a policy, and confirm them in the reference world; exit code 1 if there are."""
    from scenarios.falsification.falsify import falsify
    from scenarios.falsification.falsify_config import FalsifyConfig

    return FalsifyConfig, falsify


def _estimate():
    """Estimate the probability of a failure under a scenario's distribution, with an interval."""
    from scenarios.falsification.estimate import estimate
    from scenarios.falsification.estimate_config import EstimateConfig

    return EstimateConfig, estimate


def _fidelity():
    """Rank many planners in the learned and in the reference world; writes a report, exit code 1 if they differ."""
    from scenarios.fidelity import FidelityConfig, fidelity

    return FidelityConfig, fidelity


def _dossier():
    """Join a fidelity and a validation report into the page that simulation-credibility rules ask for; HTML, PDF."""
    from scenarios.dossier import DossierConfig, dossier

    return DossierConfig, dossier


def _bench_planners():
    """Drive all planners from the same starts in every world; writes one table of scores, failures and effort."""
    from scenarios.planner_bench import BenchPlannersConfig, bench_planners

    return BenchPlannersConfig, bench_planners


def _record():
    """Record rollouts of many behaviours in the reference world, or in CARLA."""
    from training.recording.record import RecordConfig, record

    return RecordConfig, record


def _import():
    """Convert recordings made elsewhere to rollouts."""
    from training.importers.convert import ImportConfig, import_recordings

    def run(config: ImportConfig) -> None:
        import_recordings(config)

    return ImportConfig, run


def _check_map():
    """Tell what is read of an OpenDRIVE file, draw it, and run ASAM's checker on it; exit code 1 if it is refused."""
    from envs.maps.tools.check_map import CheckMapConfig, check_map

    return CheckMapConfig, check_map


def _import_map():
    """Convert an OpenStreetMap extract to an OpenDRIVE file that can be driven."""
    from envs.maps.tools.import_map import ImportMapConfig, import_map

    return ImportMapConfig, import_map


def _identify():
    """Fit the vehicle model to recorded drives; writes parameters, errors and a plot."""
    from training.recording.vehicle_identification import IdentifyConfig, identify

    def run(config: IdentifyConfig) -> None:
        identify(config)

    return IdentifyConfig, run


def _train():
    """Train a world model by a recipe, from recording to evaluation; resumes."""
    from training.train import TrainConfig, train

    return TrainConfig, train


def _clone():
    """Train the planners that imitate the lane follower, from camera frames or (PlanT) from tracked states; resumes."""
    from training.clone import CloneConfig, clone

    return CloneConfig, clone


def _evaluate():
    """Measure a world model on held-out towns."""
    from training.evaluation.evaluate import EvaluateConfig, evaluate

    return EvaluateConfig, evaluate


def _benchmark():
    """Measure the speed of the worlds on this machine."""
    from training.benchmark import BenchmarkConfig, benchmark

    return BenchmarkConfig, benchmark


def _serve():
    """Serve a world on CARLA's wire protocol, for CARLA clients."""
    from envs.carla_bridge.serve import ServeConfig, serve

    return ServeConfig, serve


def _serve_driver():
    """Serve a policy on AlpaSim's egodriver contract, for AlpaSim and others that ask drivers over it."""
    from policies.alpasim.serve import ServeDriverConfig, serve_driver

    return ServeDriverConfig, serve_driver


_VERBS: dict[str, Verb] = {
    verb.__name__.removeprefix("_").replace("_", "-"): verb
    for verb in (
        _demo,
        _play,
        _validate,
        _scenarios,
        _falsify,
        _estimate,
        _fidelity,
        _dossier,
        _bench_planners,
        _record,
        _import,
        _check_map,
        _import_map,
        _identify,
        _train,
        _clone,
        _evaluate,
        _benchmark,
        _serve,
        _serve_driver,
    )
}


def _help() -> str:
    lines = [f"  {name:<14} {verb.__doc__}" for name, verb in _VERBS.items()]
    return "\n".join(
        [
            "usage: drivedit [--debug] VERB [OPTIONS]",
            "",
            "A closed-loop driving simulator whose engine is a learned world model.",
            "",
            "verbs:",
            *lines,
            "",
            "options:",
            "  --debug    show the traceback of an error (also: DRIVEDIT_DEBUG=1)",
            "  -h, --help show this help; `drivedit VERB --help` shows a verb's options",
        ]
    )


def _fail(message: str, code: int = 2) -> int:
    print(f"drivedit: {message}", file=sys.stderr)
    return code


_MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE)
"""The machine is at fault where the operating system says one of these, not the command."""


def _exit_code(error: BaseException) -> int:
    """2 where the command asks for what cannot be, 3 where the machine, a server or a policy broke, or DriveDiT did."""
    if isinstance(error, OSError):
        broke = isinstance(error, (ConnectionError, TimeoutError, ChildProcessError))
        return 3 if broke or error.errno in _MACHINE_ERRORS else 2
    return 2 if isinstance(error, ValueError) else 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `drivedit` command.

    Args:
        argv: the arguments after the program's name; the process's own by default.

    Returns:
        The exit code: 0 done, 1 a validation failed, 2 an error of use, 3 the machine, a server, a policy or DriveDiT
        itself broke, 4 a validation is inconclusive, 130 interrupted.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args or os.environ.get("DRIVEDIT_DEBUG", "0") not in ("", "0")
    args = [a for a in args if a != "--debug"]
    if not args:
        print(_help(), file=sys.stderr)
        return 2
    name, rest = args[0], args[1:]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name not in _VERBS:
        close = get_close_matches(name, _VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"verbs: {', '.join(_VERBS)}"
        return _fail(f"unknown verb {name!r}; {hint}")
    with _sigterm_like_ctrl_c():
        try:
            return _run(name, rest)
        except KeyboardInterrupt:
            print(f"\ndrivedit: {name} interrupted", file=sys.stderr)
            return 130
        except Exception as error:  # nothing may end with Python's own exit code 1, which says that a validation failed
            from policies.policy_error import PolicyError

            if debug:
                raise
            if isinstance(error, (ValueError, OSError, PolicyError)):
                return _fail(f"{name}: {error} (--debug shows where)", _exit_code(error))
            traceback.print_exc()
            return _fail(f"{name} broke, which is a fault of DriveDiT: please report the lines above", 3)


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, by which service managers and batch systems end programs, raises KeyboardInterrupt within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _run(name: str, args: Sequence[str]) -> int:
    import tyro

    verb = _VERBS[name]
    config_type, run = verb()
    config = tyro.cli(config_type, prog=f"drivedit {name}", description=verb.__doc__, args=args)
    try:
        result = run(config)
    except SystemExit as error:  # by a policy, or by what it imports: its own exit code would pass for ours
        from policies.policy_error import PolicyError

        raise PolicyError(f"something ended the process from within, exit code {error.code or 0}") from error
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
