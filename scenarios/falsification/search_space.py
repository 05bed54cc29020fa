"""What a search moves in: the unit cube, each axis a share of a parameter's distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scenarios.falsification.actor_controls import ActorControls, control_actor
from scenarios.parameters import MAX_DRAWS, Parameter
from scenarios.scenario import Case, Scenario

PLACE = "place"
"""The axis that says where: which of the seeds a case is set by."""


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """The cases of a scenario as points of the unit cube [0, 1]^d, each axis a quantile of its parameter:
    uniform points are draws from the distribution that the scenario declares.

    Args:
        scenario: whose parameters are searched.
        seeds: of the places; further than one make an axis, a choice among them.
        controls: of the key actor, an axis each; None leaves it to its script.

    Raises:
        ValueError: there is no seed, or the scenario scripts nobody who could be controlled.
    """

    scenario: Scenario
    seeds: Sequence[int]
    controls: ActorControls | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("a search needs the seed of at least one place, got none")
        if self.controls is not None:
            self.case(np.full(self.num_axes, 0.5), checked=False)  # whether there is an actor to control

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """One an axis."""
        places = tuple(float(k) for k in range(len(self.seeds)))
        controls = () if self.controls is None else self.controls.parameters
        parameters = (*self.scenario.parameters, *controls)
        if len(places) == 1:
            return parameters
        place = Parameter(name=PLACE, low=0.0, high=places[-1], distribution="choice", choices=places)
        return (*parameters, place)

    @property
    def num_axes(self) -> int:
        """d."""
        return len(self.parameters)

    def values(self, point: np.ndarray) -> dict[str, float]:
        """The value of each parameter at a point [d]."""
        pairs = zip(self.parameters, np.asarray(point).tolist(), strict=True)
        return {parameter.name: parameter.quantile(share) for parameter, share in pairs}

    def admits(self, point: np.ndarray) -> bool:
        """Whether a point [d] meets the scenario's condition, so that it is drawn at all."""
        condition = self.scenario.condition
        return condition is None or condition(self._of_scenario(self.values(point)))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A point [d] of the declared distribution.

        Raises:
            ValueError: MAX_DRAWS draws did not meet the condition.
        """
        for _ in range(MAX_DRAWS):
            point = rng.random(self.num_axes)
            if self.admits(point):
                return point
        raise ValueError(f"none of {MAX_DRAWS} draws meets the condition of scenario {self.scenario.name}")

    def case(self, point: np.ndarray, *, checked: bool = True) -> Case:
        """The case of a point [d].

        Raises:
            ValueError: it does not meet the condition, if that is `checked`.
        """
        if checked and not self.admits(point):
            raise ValueError(f"{self.values(point)} does not meet the condition of scenario {self.scenario.name}")
        return self.case_of(self.values(point))

    def case_of(self, values: dict[str, float]) -> Case:
        """The case of the value of each parameter.

        Raises:
            ValueError: a value is missing, unknown or out of its range.
        """
        names = [parameter.name for parameter in self.parameters]
        if sorted(values) != sorted(names):
            raise ValueError(f"give {', '.join(names)}, got {', '.join(values)}")
        case = self.scenario.make(self.seeds[int(values.get(PLACE, 0))], self._of_scenario(values))
        return case if self.controls is None else control_actor(case, self.controls, values)

    def distances(self, points: np.ndarray, to: np.ndarray) -> np.ndarray:
        """How far points [n, d] are from another [d], [n] in [0, 1]: the root mean square over the axes, where choices
        that differ are as far apart as can be."""
        apart = np.abs(points - to)
        for axis, parameter in enumerate(self.parameters):
            if num := len(parameter.choices):
                chosen, other = (np.minimum(x * num, num - 1).astype(int) for x in (points[:, axis], to[axis]))
                apart[:, axis] = chosen != other
        return np.sqrt(np.mean(apart**2, axis=1))

    def _of_scenario(self, values: dict[str, float]) -> dict[str, float]:
        return {parameter.name: values[parameter.name] for parameter in self.scenario.parameters}
