"""The verbs of the command. Each imports its own module only when chosen; its docstring is its line of help."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

Verb = Callable[[], tuple[type, Callable[[Any], object]]]


def _demo():
    """Let the planner drive the shipped learned world; writes a video and a report."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a model this small is many times slower where threads share cores
    from scenarios.demo import DemoConfig, demo

    return DemoConfig, demo


def _play():
    """Drive the learned or the reference world yourself, in a window or in a browser."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    from envs.viewer.config import PlayConfig
    from envs.viewer.pygame_packages import tell_of_two_pygames
    from policies.registry import make_policy

    def run(config: PlayConfig) -> None:
        if config.browser:
            from envs.viewer.browser.play_page import play_in_browser as play
        else:
            tell_of_two_pygames()
            from envs.viewer.window import play
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


def _train_generator():
    """Train a generator of pictures or clips by a recipe: DiT, latent video DiT, 3-D U-Net; resumes."""
    from training.generative.train import TrainGeneratorConfig, train_generator

    return TrainGeneratorConfig, train_generator


def _generate():
    """Make pictures or clips by a trained generator: from noise, of a class, or from a video."""
    from training.generative.generate import GenerateConfig, generate

    return GenerateConfig, generate


def _compare_models():
    """Put generators side by side: size, memory, time of a step, loss, PSNR and SSIM, and what they make."""
    from training.generative.compare import CompareModelsConfig, compare_models

    def run(config: CompareModelsConfig) -> None:
        compare_models(config)

    return CompareModelsConfig, run


def _evaluate_generator():
    """Judge made pictures: of their class, true, varied, no copies; several samplers and guidances side by side."""
    from training.generative.evaluate import EvaluateGeneratorConfig, evaluate_generator

    def run(config: EvaluateGeneratorConfig) -> None:
        evaluate_generator(config)

    return EvaluateGeneratorConfig, run


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


VERBS: dict[str, Verb] = {
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
        _train_generator,
        _generate,
        _compare_models,
        _evaluate_generator,
        _clone,
        _evaluate,
        _benchmark,
        _serve,
        _serve_driver,
    )
}
