"""The registry of scenarios, and the decorator that makes one of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from envs.maps.map_files import MadeMap
from scenarios.parameters import Parameter, Values
from scenarios.scenario import HELD_OUT_TOWNS, Scenario, SituationFactory

SCENARIOS: dict[str, Scenario] = {}
"""Name to scenario, in the report's order."""


def scenario(
    *,
    title: str,
    tags: tuple[str, ...],
    parameters: Sequence[Parameter],
    condition: Callable[[Values], bool] | None = None,
    towns: Sequence[int] = HELD_OUT_TOWNS,
    made_map: Callable[[int], MadeMap] | None = None,
) -> Callable[[SituationFactory], Scenario]:
    """Register the decorated function as a scenario: its name and docstring are those of the scenario.

    Args:
        title: for reports.
        tags: what it belongs to; "benchmark" makes it one of those that `drivedit validate` runs by default.
        parameters: which the function gets the values of, by name, in the order in which they are drawn.
        condition: on the values; what does not meet it is drawn again.
        towns: seeds of the towns that its cases are set in.
        made_map: makes the map of a case from its town's seed, of a kind of place that towns do not have.

    Raises:
        ValueError: the name is taken.
    """

    def register(factory: SituationFactory) -> Scenario:
        name = factory.__name__
        if name in SCENARIOS:
            raise ValueError(f"there is already a scenario named {name!r}; give this function another name")
        SCENARIOS[name] = Scenario(
            name=name,
            title=title,
            description=" ".join((inspect.getdoc(factory) or "").split()),
            tags=tags,
            parameters=tuple(parameters),
            factory=factory,
            condition=condition,
            towns=towns,
            made_map=made_map,
        )
        return SCENARIOS[name]

    return register


def scenarios_tagged(tag: str) -> tuple[str, ...]:
    """Names of the scenarios with a tag."""
    return tuple(name for name, entry in SCENARIOS.items() if tag in entry.tags)
