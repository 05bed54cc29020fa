"""Scenarios as commands take them: names, OpenSCENARIO files, Scenic programs; their help, and their starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from envs.maps.map_files import MapFile
from envs.worlds import WORLDS, WorldName
from scenarios.catalogue import SCENARIOS
from scenarios.report import files_digest
from scenarios.scenario import Case, Scenario

_FILE_TAGS = ("openscenario", "scenic")
"""Of scenarios that come from files."""
FILE_ENDING, PROGRAM_ENDING = ".xosc", ".scenic"
SCENARIO_HELP = "by name, OpenSCENARIO 1.x files (.xosc) or Scenic programs (.scenic); " + "; ".join(
    f"{name}: {entry.title}" for name, entry in SCENARIOS.items()
)
ScenarioNames = Annotated[
    tuple[str, ...],
    tyro.conf.arg(help=SCENARIO_HELP, metavar=f"[{{{','.join(SCENARIOS)}}}|FILE.xosc|FILE.scenic ...]"),
]


def is_scenario_file(name: str) -> bool:
    """Whether a selected scenario is a file, not one of the catalogue."""
    return name.lower().endswith((FILE_ENDING, PROGRAM_ENDING))


def _is_program(name: str) -> bool:
    return name.lower().endswith(PROGRAM_ENDING)


def check_scenarios(names: Sequence[str]) -> None:
    """Refuse a selection of scenarios that cannot be run.

    Raises:
        ValueError: it is empty, names one twice, or a name is neither in the catalogue nor a file that is there.
    """
    if not names:
        raise ValueError("scenarios must name at least one scenario, got none")
    missing = [name for name in names if is_scenario_file(name) and not Path(name).is_file()]
    if missing:
        raise ValueError(f"no scenario file at {', '.join(missing)}")
    unknown = sorted({name for name in names if not is_scenario_file(name)} - set(SCENARIOS))
    if unknown:
        raise ValueError(f"no scenario is named {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"scenarios must name each scenario once, got {', '.join(names)}")


def load_scenarios(names: Sequence[str], maps: Sequence[MapFile], worlds: Sequence[WorldName]) -> tuple[str, ...]:
    """The names in SCENARIOS of a selection; files among it are read and put there.

    Args:
        names: of the catalogue, or files.
        maps: among which files look for theirs.
        worlds: in which the scenarios will be driven.

    Raises:
        ValueError: a file cannot be read or played in one of the worlds, or is called as another scenario is.
    """
    found = []
    for name in names:
        if not is_scenario_file(name):
            found.append(name)
            continue
        entry = _load_file(name, maps)
        for world in worlds:
            if WORLDS[world].remote:
                own = "Scenic has an interface" if _is_program(name) else "CARLA has a ScenarioRunner"
                raise ValueError(f"{name} is not driven in world {world!r}; {own} of its own for it")
            if not WORLDS[world].reference and "lights" in entry.tags:
                raise ValueError(
                    f"{name} switches traffic lights in the course of the drive, which world {world!r} does not do; "
                    f"right would be world 'road'"
                )
        if entry.name in found or not set(_FILE_TAGS) & set(SCENARIOS.get(entry.name, entry).tags):
            raise ValueError(f"{name}: there is already a scenario named {entry.name!r}; rename the file")
        SCENARIOS[entry.name] = entry
        found.append(entry.name)
    return tuple(found)


def _load_file(name: str, maps: Sequence[MapFile]) -> Scenario:
    if _is_program(name):
        from scenarios.scenic.scenario_file import load_program_scenario

        return load_program_scenario(Path(name), maps)
    from scenarios.openscenario.scenario_file import load_scenario

    return load_scenario(Path(name), maps)


def as_selected(scenario: str, names: Sequence[str]) -> str:
    """The name or file among `names` that is the scenario of that name."""
    from scenarios.openscenario.scenario_file import scenario_name

    return next((name for name in names if is_scenario_file(name) and scenario_name(Path(name)) == scenario), scenario)


def scenario_files(names: Sequence[str]) -> list[str] | None:
    """Name and digest of each file among a selection that was loaded, and of the map that it found; None where there
    is no file."""
    return [_describe_file(Path(name)) for name in names if is_scenario_file(name)] or None


def _describe_file(path: Path) -> str:
    from scenarios.openscenario.program import read_scenario_file
    from scenarios.openscenario.scenario_file import scenario_name

    digest = files_digest([path]) if _is_program(path.name) else read_scenario_file(path).digest
    text, entry = f"{path.name} (SHA-256 {digest})", SCENARIOS.get(scenario_name(path))
    place = None if entry is None or entry.made_map is None else entry.made_map(0)
    return f"{text} on map {place.name} (SHA-256 {place.digest})" if isinstance(place, MapFile) else text


def draw_starts(names: Sequence[str], num_seeds: int, first_seed: int) -> list[Case]:
    """`num_seeds` cases of each scenario; seeds count up across all, so that no two starts share a seed and a place."""
    seeds = iter(range(first_seed, first_seed + len(names) * num_seeds))
    return [SCENARIOS[name].draw(next(seeds)) for name in names for _ in range(num_seeds)]
