"""What SceneTracker asks of a model of road users, and the models that have learned nothing. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from worldsim.actors.actors import ActorColumn, Actors
from worldsim.actors.lane_graph import Streets
from worldsim.actors.route_frame import RouteFrame


class MovesActors(Protocol):
    """Moves road users by a step, and paints those whose colour is not known: see `ActorModel`."""

    def step(
        self,
        actors: Actors,
        vehicles: np.ndarray,
        route_frame: RouteFrame,
        after: np.ndarray,
        dt: float,
        draws: Sequence[Sequence[int]],
        overrides: np.ndarray | None = None,
        parked: Sequence[np.ndarray | None] | None = None,
        standing: Sequence[np.ndarray] | None = None,
        streets: Sequence[Streets | None] | None = None,
        speed_limit: np.ndarray | None = None,
    ) -> Actors:
        """The actors a step later."""
        ...

    def painted(self, actors: Actors, draws: Sequence[Sequence[int]]) -> Actors:
        """The actors, all with a colour."""
        ...


@dataclass(frozen=True, kw_only=True)
class HeldVelocities:
    """Road users that know nothing: each keeps heading and speed, whatever is in its way, and nobody arrives.

    Args:
        dt: length of a step [s].
        standing: they stand where they are instead.
    """

    dt: float
    standing: bool = False

    def step(self, actors: Actors, *unused: Any, **unused_too: Any) -> Actors:
        """The actors a step later."""
        states = actors.states.copy()
        states[..., [ActorColumn.YAW_RATE, ActorColumn.ACCELERATION]] = 0.0
        if self.standing:
            states[..., ActorColumn.SPEED] = 0.0
        way, yaw = states[..., ActorColumn.SPEED] * self.dt, states[..., ActorColumn.YAW]
        states[..., ActorColumn.X] += way * np.cos(yaw)
        states[..., ActorColumn.Y] += way * np.sin(yaw)
        return replace(actors, states=states)

    def painted(self, actors: Actors, draws: Sequence[Sequence[int]]) -> Actors:
        """The actors as they are: no picture shows them."""
        return actors
