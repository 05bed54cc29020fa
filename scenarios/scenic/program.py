"""Scenic programs: compiled, their scenes drawn by a seed, and their simulations. Needs Scenic."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import scenic.core.dynamics as scenic_dynamics  # pyright: ignore[reportMissingImports]
from scenic.core.distributions import RejectionException  # pyright: ignore[reportMissingImports]
from scenic.core.dynamics import (  # pyright: ignore[reportMissingImports]
    GuardViolation,
    RejectSimulationException,
)
from scenic.core.simulators import SimulationCreationError  # pyright: ignore[reportMissingImports]
from scenic.syntax.translator import scenarioFromFile  # pyright: ignore[reportMissingImports]

from scenarios.openscenario.director import load_network
from scenarios.openscenario.scenario_file import scenario_name
from scenarios.report import files_digest
from scenarios.scenario import Case
from scenarios.scenic.director import clear_stage
from scenarios.scenic.scene_case import make_case
from scenarios.scenic.scene_run import AbandonedError, SceneRun, get_random_state, set_random_state
from scenarios.scenic.simulation import SceneSimulation

MODEL = "drivedit.model"
REJECTIONS = (RejectSimulationException, RejectionException, GuardViolation)
"""By which Scenic throws a scene or a simulation away."""


class ScenicProgramError(ValueError):
    """A program that cannot be compiled, or has no scene here; names file and line."""


@dataclass(frozen=True, kw_only=True)
class ProgramSource:
    """The simulations of one scene of a program. See `scenarios.scenic.director.Source`.

    Args:
        path: of the program.
        digest: of it, so that another program of that name is refused.
        map: path of the map that it is compiled for; "" leaves it to the program.
        seed: by which the scene is drawn.
    """

    path: str
    digest: str
    map: str
    seed: int

    def begin(self) -> SceneRun:
        """See Source."""
        own = get_random_state()
        scene = self._draw()
        run = SceneRun(self._case(scene).actors.director.opening)  # pyright: ignore
        set_random_state(own)
        run.start(partial(_simulate, scene), f"Scenic {Path(self.path).name}")
        return run

    def draw(self) -> Case:
        """The case of the scene.

        Raises:
            ScenicProgramError: no scene keeps the program's requirements, or it cannot be in these worlds; says why.
        """
        own = get_random_state()
        try:
            return self._case(self._draw())
        finally:
            set_random_state(own)

    def _draw(self) -> Any:
        """The scene; its ego does not drive itself. The random numbers that come next are those of its simulation."""
        clear_stage()
        program = load_program(self.path, self.digest, self.map)
        random.seed(self.seed)
        np.random.seed(self.seed % 2**32)
        try:
            scene, _ = program.generate()
        except RejectionException as error:
            raise ScenicProgramError(
                f"{self.path}, seed {self.seed}: no scene keeps its requirements: {error}"
            ) from error
        if scene.egoObject is not None:
            scene.egoObject.behavior = None
        return scene

    def _case(self, scene: Any) -> Case:
        try:
            return make_case(scene, name=scenario_name(Path(self.path)), seed=self.seed, source=self)
        except (ValueError, SimulationCreationError) as error:
            raise ScenicProgramError(f"{self.path}, seed {self.seed}: {error}") from error


@lru_cache(maxsize=4)
def load_program(path: str, digest: str, map: str) -> Any:
    """The compiled program, in Scenic's 2D mode and with our world model whatever it names; the last ones are kept.

    Raises:
        FileNotFoundError: no such file.
        ScenicProgramError: it cannot be compiled, or is another one than that of the digest.
    """
    clear_stage()
    if files_digest([Path(path)]) != digest:
        raise ScenicProgramError(f"{path}: the file has changed since this episode began")
    scenic_dynamics.stuckBehaviorWarningTimeout = 0  # its alarm rings in the main thread alone
    try:
        return scenarioFromFile(path, params={"map": map} if map else {}, model=MODEL, mode2D=True)
    except Exception as error:  # a program is code: it can raise anything
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        where = path if line is None else f"{path}, line {line}"
        raise ScenicProgramError(f"{where}: {error}") from error


def _simulate(scene: Any, run: SceneRun) -> None:
    try:
        SceneSimulation(
            scene,
            run,
            load_network(str(scene.params["map"])),
            timestep=None,
            maxSteps=None,
            name="drive",
            enableReplay=False,
        )
    except AbandonedError:
        pass
    except REJECTIONS as error:
        run.end_program(rejected=str(error) or type(error).__name__)
    except Exception as error:  # whatever it is, the drive that waits gets it
        run.break_program(error)
    else:
        run.end_program()
