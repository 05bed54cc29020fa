"""A key actor under control of the search: its script, with acceleration and steer added piece by piece."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from envs.scripted_actors import ActorScript, ActorState
from scenarios.measures import Gap, Measure, ShownActors
from scenarios.parameters import Parameter
from scenarios.scenario import Case
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.maps.route import Route


@dataclass(frozen=True, kw_only=True)
class ActorControls:
    """What is added to the script of a scenario's key actor, its first scripted road user, from the moment on at which
    the policy takes over.

    Args:
        num_pieces: equal parts of the drive, in each of which both are constant.
        max_acceleration: greatest magnitude of what is added to the acceleration [m/s²].
        max_steer: greatest magnitude of the steer angle that is added, at the wheel; 0 adds none [rad].

    Raises:
        ValueError: there are no pieces, or a bound is out of its range.
    """

    num_pieces: int
    max_acceleration: float = 2.0
    max_steer: float = 0.0

    def __post_init__(self) -> None:
        if self.num_pieces < 1:
            raise ValueError(f"num_pieces must be at least 1, got {self.num_pieces}")
        if not self.max_acceleration > 0:
            raise ValueError(f"max_acceleration must be positive, got {self.max_acceleration}")
        if not 0 <= self.max_steer < math.pi / 4:
            raise ValueError(f"max_steer must be in [0, π/4) rad, got {self.max_steer}")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """One a piece and control."""
        bounds = [("acceleration", "m/s²", self.max_acceleration), ("steer", "rad", self.max_steer)]
        return tuple(
            Parameter(name=_name(control, piece), unit=unit, low=-bound, high=bound)
            for control, unit, bound in bounds
            if bound > 0
            for piece in range(self.num_pieces)
        )


def control_actor(case: Case, controls: ActorControls, values: Mapping[str, float]) -> Case:
    """The case with its key actor under control.

    What its script says of it no longer holds, so that a drive realised its scenario where the world shows the actor
    where the controls have led it; what is measured when the policy takes over, and of others, stays.

    Args:
        case: of the script alone.
        controls: that are added.
        values: of their parameters.

    Raises:
        ValueError: the case scripts no road user.
    """
    actors = case.actors
    scripts = [*actors.scripts, *actors.partners]
    if not scripts:
        raise ValueError(f"scenario {case.scenario} scripts no road user that could be controlled")
    pieces = range(controls.num_pieces)
    scripts[0] = ControlledActor(
        script=scripts[0],
        accelerations=tuple(values[_name("acceleration", k)] for k in pieces),
        steer=tuple(values.get(_name("steer", k), 0.0) for k in pieces),
        piece=case.duration / controls.num_pieces,
    )
    split = len(actors.scripts)
    return replace(
        case,
        actors=replace(actors, scripts=tuple(scripts[:split]), partners=tuple(scripts[split:])),
        measures=(*(m for m in case.measures if _stays(m)), OnScript()),
        parameters={**case.parameters, **{p.name: round(values[p.name], 3) for p in controls.parameters}},
    )


@dataclass(frozen=True, kw_only=True)
class ControlledState(ActorState):
    """An actor under control.

    Args:
        scripted: where its script alone would have it.
        added_speed: beyond that of the script [m/s].
        turned: how far it heads to the left of the script's heading [rad].
    """

    scripted: ActorState
    added_speed: float = 0.0
    turned: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ControlledActor:
    """A script, and what is added to its acceleration and steer from time 0 on, constant in each piece.

    Each step is that of the script, turned and lengthened; without anything added it is the script's own. The actor
    drives no slower than 0. Its turn is that of a car: v tan(steer) / wheelbase.

    Args:
        script: that is followed.
        accelerations: in each piece [m/s²]; 0 after the last.
        steer: likewise [rad], positive left.
        piece: length of each [s].
        wheelbase: [m].
    """

    script: ActorScript
    accelerations: tuple[float, ...]
    steer: tuple[float, ...]
    piece: float
    wheelbase: float = VehicleModel().wheelbase

    def initial(self, route: Route, ego_s: float) -> ControlledState:
        """Where the script begins."""
        scripted = self.script.initial(route, ego_s)
        return ControlledState(**_plain(scripted), scripted=scripted)

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ControlledState:
        """The script's step, turned and lengthened by what was added until then."""
        assert isinstance(own, ControlledState), "an actor begins by `initial`"
        scripted = self.script.step(t, ego, own.scripted, dt)
        k = math.floor((t + dt / 2) / self.piece)  # a step is of the piece that its middle is in
        acts = 0 <= k < len(self.accelerations)
        acceleration, steer = (self.accelerations[k], self.steer[k]) if acts else (0.0, 0.0)

        added = max(own.added_speed + acceleration * dt, -scripted.speed)  # no faster backwards than it drove forwards
        mean = (own.added_speed + added) / 2
        turned = own.turned + (own.speed + scripted.speed + added) / 2 * math.tan(steer) / self.wheelbase * dt
        along = scripted.s - own.scripted.s + mean * dt * math.cos(scripted.heading)
        across = scripted.lateral - own.scripted.lateral + mean * dt * math.sin(scripted.heading)
        c, s = math.cos(turned), math.sin(turned)
        plain = _plain(scripted) | {
            "s": own.s + c * along - s * across,
            "lateral": own.lateral + s * along + c * across,
            "speed": scripted.speed + added,
            "heading": scripted.heading + turned,
            "braking": scripted.braking or acceleration < 0,
        }
        return ControlledState(**plain, scripted=scripted, added_speed=added, turned=turned)


@dataclass(frozen=True, kw_only=True)
class OnScript(Measure):
    """How far the key actor is from where its script has led it, at most, while it is shown [m]."""

    name: str = "distance from the script"
    unit: str = "m"
    requested: float = 0.0
    tolerance: float = 0.5
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        apart = drive.distances(self.actor)
        return float(np.nanmax(apart)) if np.isfinite(apart).any() else None


def _stays(measure: Measure) -> bool:
    """Whether a measure of the case still holds of a key actor under control."""
    return isinstance(measure, Gap) or getattr(measure, "actor", None) != 0


def _name(control: str, piece: int) -> str:
    return f"added {control} {piece + 1}"


def _plain(state: ActorState) -> dict:
    return {entry.name: getattr(state, entry.name) for entry in fields(ActorState)}
