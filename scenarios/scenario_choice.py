"""Scenarios as commands take them: names, the help on them, and the starts that are drawn of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from scenarios.catalogue import SCENARIOS
from scenarios.scenario import Case

if TYPE_CHECKING:
    ScenarioName = str
else:
    ScenarioName = Literal[tuple(SCENARIOS)]  # the command line offers exactly those of the catalogue

SCENARIO_HELP = "by name; " + "; ".join(f"{name}: {entry.title}" for name, entry in SCENARIOS.items())
ScenarioNames = Annotated[tuple[ScenarioName, ...], tyro.conf.arg(help=SCENARIO_HELP)]


def check_scenarios(names: Sequence[str]) -> None:
    """Refuse a selection of scenarios that cannot be run.

    Raises:
        ValueError: it is empty, names one twice, or a name is not in the catalogue.
    """
    if not names:
        raise ValueError("scenarios must name at least one scenario, got none")
    unknown = sorted(set(names) - set(SCENARIOS))
    if unknown:
        raise ValueError(f"no scenario is named {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"scenarios must name each scenario once, got {', '.join(names)}")


def draw_starts(names: Sequence[str], num_seeds: int, first_seed: int) -> list[Case]:
    """`num_seeds` cases of each scenario; seeds count up across all, so that no two starts share a seed and a place."""
    seeds = iter(range(first_seed, first_seed + len(names) * num_seeds))
    return [SCENARIOS[name].draw(next(seeds)) for name in names for _ in range(num_seeds)]
