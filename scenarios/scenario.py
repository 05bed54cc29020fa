"""What a scenario is: a distribution of traffic situations, from which a seed draws a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envs.scripted_actors import ScriptedActors


@dataclass(frozen=True, kw_only=True)
class Case:
    """One concrete situation. The same case can be driven in every world.

    Args:
        scenario: name of the scenario it was drawn from.
        seed: it was drawn by; also the seed of env and policy.
        parameters: what was drawn, name with unit to value, for the report.
        town: where, a seed of a procedural town.
        actors: who else is there and how they move; at time 0 of their scripts the policy takes over.
        ego_speed: the ego arrives with [m/s].
        duration: the policy drives at most this long [s].
        min_progress: a pass needs at least this distance, so that standing still is no way to pass [m].

    Raises:
        ValueError: the duration is not positive.
    """

    scenario: str
    seed: int
    parameters: Mapping[str, float]
    town: int
    actors: ScriptedActors
    ego_speed: float
    duration: float
    min_progress: float

    def __post_init__(self) -> None:
        if not self.duration > 0:
            raise ValueError(f"duration must be positive, got {self.duration}")

    def reference_options(self) -> dict[str, Any]:
        """Reset options of a world with actors."""
        return {"town": self.town, "scripted_actors": self.actors}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A named distribution of cases.

    Args:
        name: as on the command line.
        title: for the report.
        description: a sentence or two for the report: what happens, from which ranges, after which source.
        draw: the case of a seed.
    """

    name: str
    title: str
    description: str
    draw: Callable[[int], Case]
