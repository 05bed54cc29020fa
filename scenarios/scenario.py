"""What a scenario is: a distribution of traffic situations, from which a seed draws a case."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from envs.maps.geometry import LaneKey
from envs.maps.junction_search import JunctionAhead
from envs.maps.map_files import MadeMap, MapFile
from envs.scripted_actors import USUAL_TRAFFIC, ActorScript, Director, ScriptedActors, TrafficLevel
from policies.disturbance import Disturbance, DisturbedPolicy
from policies.policy import Policy
from scenarios.actors import CONTEXT
from scenarios.criteria import PassCriteria
from scenarios.measures import Measure
from scenarios.parameters import Parameter, Values, draw_values
from worldsim.editing.edits import Edit

NUM_TOWNS = 6
"""A case that has no room in its town is tried in those after it, in so many at most."""
RUN_OUT = 20.0
"""Straight road kept free beyond where the ego can get [m]."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a scenario's function makes of its parameters: a traffic situation, wherever it takes place.

    Args:
        ego_speed: the ego arrives with [m/s].
        scripts: the scripted actors; at time 0 of their scripts the policy takes over.
        duration: the policy drives at most this long [s].
        criteria: of a pass.
        measures: what a drive must show of it in order to count.
        junction: that lies ahead; None for a straight road.
        partners: scripted actors that come from another road there.
        ambient_traffic: keeps the town's own traffic; the start may then lie on any road, not just a straight one.
        traffic: how that differs from the usual one.
        edits: of `drivedit.edit`: what stands there otherwise than in the town; along the route, 0 is where the policy
            takes over.
        disturbance: what the ego suffers before the policy takes over; its time counts to `duration`.
        start_pose: where the ego begins on the scenario's own map, CONTEXT before time 0 (x, y, yaw) [m, m, rad]; None
            looks for a place.
        director: moves further actors, anywhere on that map.
        via: lanes that the ego's route takes from `start_pose` on.
    """

    ego_speed: float
    scripts: tuple[ActorScript, ...]
    duration: float
    criteria: PassCriteria
    measures: tuple[Measure, ...] = ()
    junction: JunctionAhead | None = None
    partners: tuple[ActorScript, ...] = ()
    ambient_traffic: bool = False
    traffic: TrafficLevel = USUAL_TRAFFIC
    edits: tuple[Edit, ...] = ()
    disturbance: Disturbance | None = None
    start_pose: tuple[float, float, float] | None = None
    director: Director | None = None
    via: tuple[LaneKey, ...] = ()

    def actors(self) -> ScriptedActors:
        """The world's reset option: its actors, and how much straight road the scripts need."""
        speed = float(self.ego_speed)
        anywhere = self.ambient_traffic or self.junction is not None or self.start_pose is not None
        return ScriptedActors(
            scripts=self.scripts,
            ego_speed=speed,
            straight=0.0 if anywhere else self.ego_speed * (CONTEXT + self.duration) + RUN_OUT,
            junction=self.junction,
            partners=self.partners,
            ambient_traffic=self.ambient_traffic,
            traffic=self.traffic,
            director=self.director,
            via=self.via,
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One concrete situation. The same case can be driven in every world.

    Args:
        scenario: name of the scenario it was drawn from.
        seed: it was drawn by; also the seed of env and policy.
        parameters: the sampled values by the names of the scenario's parameters.
        town: where, a seed of a procedural town; the next ones are tried where it has no room for the case.
        actors: the scripted actors; at time 0 of their scripts the policy takes over.
        ego_speed: the ego arrives with [m/s].
        duration: the policy drives at most this long [s].
        criteria: of a pass.
        measures: what a drive must show of the case in order to count.
        map: where instead of the town.
        edits: what stands there otherwise than on the map.
        disturbance: what the ego suffers before the policy takes over; its time counts to `duration`.
        start_pose: where the ego begins on `map`; None looks for a place.

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
    criteria: PassCriteria
    measures: tuple[Measure, ...] = ()
    map: MapFile | MadeMap | None = None
    edits: tuple[Edit, ...] = ()
    disturbance: Disturbance | None = None
    start_pose: tuple[float, float, float] | None = None

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
            towns = tuple(range(self.town, self.town + NUM_TOWNS))
            place = {"town": towns} if self.map is None else self.map.reset_options
        edits = {"layout": self.edits} if self.edits else {}
        pose = {} if self.start_pose is None else {"start_pose": self.start_pose}
        return {**place, "scripted_actors": self.actors, **edits, **pose}

    def without_edits(self) -> Case:
        """The same situation where nothing stands otherwise than on the map."""
        return replace(self, edits=())

    def driver(self, policy: Policy) -> Policy:
        """The policy, behind the disturbance if there is one."""
        return policy if self.disturbance is None else DisturbedPolicy(policy, self.disturbance)


def place_on_maps(cases: Sequence[Case], maps: Sequence[MapFile]) -> list[Case]:
    """The cases in an order in which a world builds each place once; each on the map that its seed falls on in turn, or
    in its town, or on the map made for it, where there are no maps. A case with a start of its own keeps its map."""
    if maps:
        moved = [replace(case, map=maps[case.seed % len(maps)]) for case in cases]
        cases = [case if case.start_pose is not None else other for case, other in zip(cases, moved, strict=True)]

    def place(case: Case) -> tuple[int, str, int]:
        if not isinstance(case.map, MapFile):
            return len(maps) + 1, "", case.town
        among = maps.index(case.map) if case.map in maps else len(maps)  # a scenario file may have found its own
        return among, str(case.map.path), 0

    return sorted(cases, key=place)


HELD_OUT_TOWNS = range(200_000, 300_000)
"""Seeds of the towns that cases are set in; no model is trained on them."""

SituationFactory = Callable[[Values], Situation]
"""The situation that parameters make; the function that `scenarios.catalogue.registry.scenario` decorates."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A named distribution of cases. Each case has a town of its own, so that cases are independent.

    Args:
        name: as on the command line; part of the random seed, so a renamed scenario draws other cases.
        title: for reports.
        description: a sentence or two for reports: what happens.
        tags: what it belongs to; `validate` runs those tagged "benchmark" unless told otherwise.
        parameters: in the order in which they are drawn.
        factory: makes a situation of their values.
        condition: on the values that are drawn; None takes all.
        towns: seeds of the towns that its cases are set in.
        made_map: makes the map of a case from its town's seed, of a kind of place that towns do not have, or finds the
            only map on which the scenario takes place.

    Raises:
        ValueError: there is no town, or two parameters have the same name.
    """

    name: str
    title: str
    description: str
    tags: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    factory: SituationFactory
    condition: Callable[[Values], bool] | None = None
    towns: Sequence[int] = HELD_OUT_TOWNS
    made_map: Callable[[int], MadeMap | MapFile] | None = None

    def __post_init__(self) -> None:
        if not self.towns:
            raise ValueError(f"scenario {self.name} needs at least one town, got none")
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) < len(names):
            raise ValueError(f"scenario {self.name} needs parameters of different names, got {', '.join(names)}")

    def draw(self, seed: int) -> Case:
        """The case of a seed."""
        return self.make(seed, draw_values(self.parameters, self.condition, np.random.default_rng([self._code, seed])))

    def make(self, seed: int, values: Values) -> Case:
        """The case of given values of its parameters, in the town of a seed.

        Raises:
            ValueError: a value is missing, unknown or out of its range; names scenario, seed and parameter.
        """
        where = f"scenario {self.name}, seed {seed}"
        if list(values) != [parameter.name for parameter in self.parameters]:
            wanted = ", ".join(parameter.name for parameter in self.parameters)
            raise ValueError(f"{where}: give {wanted}, got {', '.join(values)}")
        for parameter in self.parameters:
            try:
                parameter.check(values[parameter.name])
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error

        # a generator of its own, so that what is drawn of the place never moves a parameter
        town = self.towns[int(np.random.default_rng([self._code, seed, 1]).integers(len(self.towns)))]
        situation = self.factory(values)
        return Case(
            scenario=self.name,
            seed=seed,
            parameters={name: round(float(value), 3) for name, value in values.items()},
            town=town,
            map=None if self.made_map is None else self.made_map(town),
            actors=situation.actors(),
            ego_speed=float(situation.ego_speed),
            duration=situation.duration,
            criteria=situation.criteria,
            measures=situation.measures,
            edits=situation.edits,
            disturbance=situation.disturbance,
            start_pose=situation.start_pose,
        )

    @cached_property
    def _code(self) -> int:
        return zlib.crc32(self.name.encode())
