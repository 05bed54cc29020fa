"""Private actions of OpenSCENARIO that take time: how they begin, go on and end; transitions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from envs.scripted_actors import DirectorState
from scenarios.openscenario.entities import EntityState
from scenarios.openscenario.motion import PEAK_RATE, progress
from scenarios.openscenario.network import Pose
from scenarios.openscenario.stage import Stage

Axis = Literal["longitudinal", "lateral", "both"]
SOON = 1e-6
"""What is done to within so much is done."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run(DirectorState):
    """An action of one entity while it goes on.

    Args:
        begun: when [s].
        start: speed, or offset to the left of the path, then [m/s or m].
        target: what it is to become.
        duration: of the transition; infinite where it is told by a distance [s].
        distance: of the transition; infinite where it is told by a time [m].
        travelled: of the entity when the action began [m].
        table: of a trajectory, TableColumn [n, 6].
    """

    begun: float
    start: float = 0.0
    target: float = 0.0
    duration: float = math.inf
    distance: float = math.inf
    travelled: float = 0.0
    table: np.ndarray | None = None

    def share(self, stage: Stage, state: EntityState) -> float:
        """How much of it has passed when the step that begins now is over; the way of the step is that at its speed."""
        if math.isfinite(self.distance):
            done = state.travelled - self.travelled + state.speed * stage.dt
            return 1.0 if self.distance <= 0 else done / self.distance
        return 1.0 if self.duration <= 0 else (stage.time + stage.dt - self.begun) / self.duration


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an action wants of the step that begins now; None leaves it.

    Args:
        speeds: at its beginning and its end [m/s].
        lateral: offset to the left of the path at its end [m].
        pose: of the middle of the box at its end.
        done: whether the action ends with it.
    """

    speeds: tuple[float, float] | None = None
    lateral: float | None = None
    pose: Pose | None = None
    done: bool = False


class Action(Protocol):
    """An action that takes time."""

    @property
    def axis(self) -> Axis:
        """What it takes hold of; a later action that does too ends it."""
        ...

    def begin(self, name: str, stage: Stage) -> Run:
        """How it begins for an entity."""
        ...

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """What it wants of the step that begins now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Shape and length of a transition.

    Args:
        shape: of motion.SHAPES.
        dimension: what `value` is: "time" [s], "distance" [m] or "rate" [1/s of what changes].
        value: see there.
    """

    shape: str
    dimension: str
    value: float


def begin_transition(dynamics: Dynamics, state: EntityState, target: float, stage: Stage) -> Run:
    """How a change of the offset to the left of the path to `target` [m] begins."""
    duration = distance = math.inf
    if dynamics.shape == "step":
        duration = 0.0
    elif dynamics.dimension == "distance":
        distance = dynamics.value
    elif dynamics.dimension == "rate":
        duration = PEAK_RATE[dynamics.shape] * abs(target - state.lateral) / max(dynamics.value, 1e-6)
    else:
        duration = dynamics.value
    return Run(
        begun=stage.time,
        start=state.lateral,
        target=target,
        duration=duration,
        distance=distance,
        travelled=state.travelled,
    )


def lateral_step(shape: str, run: Run, name: str, stage: Stage) -> Step:
    """What such a change, of a shape, wants of the step that begins now."""
    share = run.share(stage, stage.states[name])
    lateral = run.start + (run.target - run.start) * progress(shape, share)
    return Step(lateral=lateral, done=share >= 1.0 - SOON)
