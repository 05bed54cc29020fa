"""What a scenario is: a distribution of traffic situations, from which a seed draws a case."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.maps.map_files import MapFile
from envs.scripted_actors import ActorScript, ScriptedActors
from policies.disturbance import Disturbance, DisturbedPolicy
from policies.policy import Policy
from worldsim.editing.edits import Edit

CONTEXT = 0.7
"""The worlds drive this long before the policy takes over at time 0, so that a start clip shows motion [s]."""
RUN_OUT = 20.0
"""Straight road kept free beyond where the ego can get [m]."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a scenario's function draws: a traffic situation, wherever it takes place.

    Args:
        ego_speed: the ego arrives with [m/s].
        scripts: the scripted actors; at time 0 of their scripts the policy takes over.
        duration: the policy drives at most this long [s].
        min_progress: a pass needs at least this distance, so that standing still is no way to pass [m].
        parameters: the sampled values, name with unit to value.
        ambient_traffic: keeps the town's own traffic; the start may then lie on any road, not just a straight one.
        edits: of `drivedit.edit`: what stands there otherwise than in the town; along the route, 0 is where the policy
            takes over.
        disturbance: what the ego suffers before the policy takes over; its time counts to `duration`.
    """

    ego_speed: float
    scripts: tuple[ActorScript, ...]
    duration: float
    min_progress: float
    parameters: Mapping[str, float]
    ambient_traffic: bool = False
    edits: tuple[Edit, ...] = ()
    disturbance: Disturbance | None = None

    def actors(self) -> ScriptedActors:
        """The world's reset option: its actors, and how much straight road the scripts need."""
        speed = float(self.ego_speed)
        straight = 0.0 if self.ambient_traffic else self.ego_speed * (CONTEXT + self.duration) + RUN_OUT
        return ScriptedActors(
            scripts=self.scripts, ego_speed=speed, straight=straight, ambient_traffic=self.ambient_traffic
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One concrete situation. The same case can be driven in every world.

    Args:
        scenario: name of the scenario it was drawn from.
        seed: it was drawn by; also the seed of env and policy.
        parameters: the sampled values, name with unit to value, for the report.
        town: where, a seed of a procedural town.
        actors: the scripted actors; at time 0 of their scripts the policy takes over.
        ego_speed: the ego arrives with [m/s].
        duration: the policy drives at most this long [s].
        min_progress: a pass needs at least this distance, so that standing still is no way to pass [m].
        map: where instead of the town.
        edits: what stands there otherwise than on the map.
        disturbance: what the ego suffers before the policy takes over; its time counts to `duration`.

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
    map: MapFile | None = None
    edits: tuple[Edit, ...] = ()
    disturbance: Disturbance | None = None

    def __post_init__(self) -> None:
        if not self.duration > 0:
            raise ValueError(f"duration must be positive, got {self.duration}")

    @property
    def id(self) -> str:
        """Names the case among all of a validation."""
        return f"{self.scenario}_{self.seed}"

    def reference_options(self, place: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Reset options of a world with actors; `place` are those that say where, instead of the case's own."""
        if place is None:
            place = {"town": self.town} if self.map is None else self.map.reset_options
        edits = {"layout": self.edits} if self.edits else {}
        return {**place, "scripted_actors": self.actors, **edits}

    def without_edits(self) -> Case:
        """The same situation where nothing stands otherwise than on the map."""
        return replace(self, edits=())

    def driver(self, policy: Policy) -> Policy:
        """The policy, behind the disturbance if there is one."""
        return policy if self.disturbance is None else DisturbedPolicy(policy, self.disturbance)


def place_on_maps(cases: Sequence[Case], maps: Sequence[MapFile]) -> list[Case]:
    """The cases in an order in which a world builds each place once; each on the map that its seed falls on in turn, or
    in its town where there are no maps."""
    if maps:
        cases = [replace(case, map=maps[case.seed % len(maps)]) for case in cases]
    return sorted(cases, key=lambda case: case.town if case.map is None else maps.index(case.map))


SituationFactory = Callable[[np.random.Generator, int], Situation]
"""The situation that a generator draws in a town; the function that `scenarios.catalogue.scenario` decorates."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A named distribution of cases.

    Args:
        name: as on the command line; part of the random seed, so a renamed scenario draws other cases.
        title: for reports.
        description: a sentence or two for reports: what happens.
        tags: what it belongs to; `validate` runs those tagged "benchmark" unless told otherwise.
        samples: each sampled parameter, name with unit, to its range in words.
        towns: seeds of the towns that its cases take turns in.
        factory: draws a situation.

    Raises:
        ValueError: there is no town.
    """

    name: str
    title: str
    description: str
    tags: tuple[str, ...]
    samples: Mapping[str, str]
    towns: Sequence[int]
    factory: SituationFactory

    def __post_init__(self) -> None:
        if not self.towns:
            raise ValueError(f"scenario {self.name} needs at least one town, got none")

    def draw(self, seed: int) -> Case:
        """The case of a seed.

        Raises:
            ValueError: the drawn parameters are not those that the scenario says it samples.
        """
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        town = self.towns[seed % len(self.towns)]
        situation = self.factory(rng, town)
        if list(situation.parameters) != list(self.samples):
            drawn, declared = ", ".join(situation.parameters), ", ".join(self.samples)
            raise ValueError(f"scenario {self.name} draws {drawn}, but declares samples of {declared}")

        return Case(
            scenario=self.name,
            seed=seed,
            parameters={name: round(float(value), 3) for name, value in situation.parameters.items()},
            town=town,
            actors=situation.actors(),
            ego_speed=float(situation.ego_speed),
            duration=situation.duration,
            min_progress=float(situation.min_progress),
            edits=situation.edits,
            disturbance=situation.disturbance,
        )
