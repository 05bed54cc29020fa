"""The simulator of `scenic --simulate`: each simulation is a drive in one of our worlds. Needs Scenic."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scenic.core.simulators import SimulationCreationError  # pyright: ignore[reportMissingImports]
from scenic.domains.driving.simulators import DrivingSimulator  # pyright: ignore[reportMissingImports]

from envs.worlds import WORLDS
from policies.policy import Policy
from policies.registry import make_policy, uses_pictures
from scenarios.case_results import CaseResult, measure
from scenarios.case_runner import CaseRunner, shared_case_runner
from scenarios.openscenario.director import load_network
from scenarios.scenario import Case
from scenarios.scenic.director import ScenicDirector, play_along
from scenarios.scenic.scene_case import make_case
from scenarios.scenic.scene_run import SceneRun, get_random_state, set_random_state
from scenarios.scenic.simulation import TIME_STEP, SceneSimulation
from scenarios.start_clips import InvalidStartError
from scenarios.validity import ValidityConfig

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

PROGRAM = "scenic"
"""The policy that is the program's own behavior."""


class ProgramPolicy:
    """Drives the ego as the program's own behavior does.

    Args:
        director: of the program.
    """

    uses_pictures = False

    def __init__(self, director: ScenicDirector) -> None:
        self._director = director

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """See Policy."""
        self._scene = self._director.begin(0.0)

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """See Policy."""
        vehicle = info["vehicle"]
        action = self._director.program_action(self._scene, vehicle)
        self._scene = self._director.direct(self._scene, 0.0, vehicle, TIME_STEP)
        return action


@dataclass(kw_only=True)
class Drive:
    """A drive in a thread of its own, beside the simulation of its scene.

    Args:
        case: of the scene.
        runner: of a world.
        policy: drives the ego.
        validity: what the drive must keep to in order to count.
        result: once it is over.
        error: by which it broke instead.
    """

    case: Case
    runner: CaseRunner
    policy: Policy
    validity: ValidityConfig
    result: CaseResult | None = None
    error: Exception | None = None

    def __call__(self, run: SceneRun) -> None:
        """Drive to the end."""
        try:
            rollout = self.runner.run(self.case, self.policy)
            run.end_drive(rollout.vehicles[-1])
            self.result = measure(self.case, rollout, self.validity)
        except Exception as error:  # the simulation that waits must not wait for ever; it is raised there
            self.error = error
            run.end_drive()


class DriveditSimulator(DrivingSimulator):
    """Simulations in the reference world or in the learned one, as a program's parameters say.

    Each simulation has an attribute `caseResult`, a CaseResult, and a record "drivedit" that says the verdict.
    """

    def createSimulation(self, scene: Any, *, verbosity: int = 0, **kwargs: Any) -> SceneSimulation:  # noqa: N802
        """See Simulator.

        Raises:
            SimulationCreationError: the scene cannot be in these worlds, or the ego begins in a collision or off
                the road.
            ValueError: there is no such world or policy.
        """
        params, seed = scene.params, random.getrandbits(31)
        try:
            case = make_case(scene, name="scene", seed=seed, source=None)
        except ValueError as error:
            raise SimulationCreationError(str(error)) from error
        director = case.actors.director
        assert isinstance(director, ScenicDirector), "make_case gives it"
        drive = _make_drive(case, director, str(params["world"]), str(params["policy"]))
        if params["policy"] != PROGRAM:
            scene.egoObject.behavior = None

        run = SceneRun(director.opening)
        play_along(director, run)
        run.start(drive, "drive")
        try:
            simulation = SceneSimulation(scene, run, load_network(director.map), verbosity=verbosity, **kwargs)
        finally:
            drawn = get_random_state()
            run.end_program()
            run.join()
            set_random_state(drawn)
        if isinstance(drive.error, InvalidStartError):
            raise SimulationCreationError(str(drive.error)) from drive.error
        if drive.error is not None:
            raise drive.error
        result = drive.result
        assert result is not None, "it is over"
        simulation.caseResult = result
        simulation.result.records["drivedit"] = f"{result.verdict} ({result.outcome}), {result.seconds:.1f} s"
        if verbosity >= 1:
            reason = f", {result.reason}" if result.reason else ""
            print(f"  Drive: {result.verdict} ({result.outcome}) after {result.seconds:.1f} s{reason}")
        return simulation


def _make_drive(case: Case, director: ScenicDirector, world: str, policy_name: str) -> Drive:
    if world not in WORLDS or WORLDS[world].remote:
        local = ", ".join(name for name, entry in WORLDS.items() if not entry.remote)
        raise ValueError(f"param world must be one of {local}, got {world!r}")
    own = policy_name == PROGRAM
    policy = ProgramPolicy(director) if own else make_policy(policy_name)
    pictures = not own and uses_pictures(policy_name, policy)
    return Drive(
        case=case,
        runner=shared_case_runner(world, pixels=pictures),
        policy=policy,
        validity=ValidityConfig(truth=WORLDS[world].reference, pictures=pictures),
    )
