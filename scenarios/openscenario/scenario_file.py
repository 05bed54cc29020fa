"""A scenario file as one of the scenarios that commands drive."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from envs.maps.map_files import SUFFIX, MadeMap, MapFile
from scenarios.actors import CONTEXT
from scenarios.openscenario.criteria import read_criteria, read_duration
from scenarios.openscenario.director import ScenarioDirector, director_of, load_program
from scenarios.openscenario.ego_route import ego_lanes
from scenarios.openscenario.instant_actions import SetLight
from scenarios.openscenario.longitudinal_actions import ChangeSpeed
from scenarios.openscenario.motion import back_in_time
from scenarios.openscenario.positions import needs_map
from scenarios.openscenario.program import Program, ScenarioFile, read_scenario_file
from scenarios.openscenario.storyboard import Element
from scenarios.openscenario.straight_road import straight_road
from scenarios.parameters import Values
from scenarios.scenario import Scenario, Situation
from worldsim.editing.edits import Look

TAG = "openscenario"


def load_scenario(path: Path, maps: Sequence[MapFile]) -> Scenario:
    """The scenario of a file: the same case for every seed, but for what a map's own traffic lights do.

    What is left out of the file and makes no difference to its road users is said on stderr.

    Args:
        path: of the file.
        maps: among which its map is looked for by its name, beside the place that the file gives.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read or played, or its map is not there; says which file and line.
    """
    file = read_scenario_file(path)
    place = _find_map(file, maps)
    source = place.reset_options["map"]
    director = director_of(file, source)
    program = load_program(director.path, director.digest, director.map)
    _, not_judged = read_criteria(file.root)
    for note in (*program.notes, *not_judged):
        print(note, file=sys.stderr)
    header = file.root.need("FileHeader").text("description", "").removeprefix("CARLA:").strip()

    def situation(_: Values) -> Situation:
        return _situation(file, program, director)

    return Scenario(
        name=scenario_name(path),
        title=header or path.stem,
        description=f"{path.name} on map {place.name}.",
        tags=(TAG, *(("lights",) if _sets_lights(program.stories) else ())),
        parameters=(),
        factory=situation,
        made_map=lambda _: place,
    )


def scenario_name(path: Path) -> str:
    """What a file's scenario is called in reports: the file's name without its ending, of letters, digits and _."""
    return re.sub(r"\W", "_", path.stem)


def _situation(file: ScenarioFile, program: Program, director: ScenarioDirector) -> Situation:
    speed = _ego_speed(program)
    ego = program.start[program.ego.name]
    start = back_in_time(replace(ego, speed=speed), program.network, -CONTEXT).pose
    look = program.first_look
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=read_duration(file.root),
        criteria=read_criteria(file.root)[0],
        edits=() if look is None else (Look(name=look),),
        start_pose=(start.x, start.y, start.yaw),
        director=director,
        via=ego_lanes(program, start),
    )


def _ego_speed(program: Program) -> float:
    """At which the ego comes [m/s]: what <Init> gives it, else it stands."""
    speeds = [
        action.value
        for name, action in program.begun
        if name == program.ego.name and isinstance(action, ChangeSpeed) and action.entity is None
    ]
    return speeds[-1] if speeds else 0.0


def _sets_lights(elements: Sequence[Element]) -> bool:
    return any(
        _sets_lights(element.children) or any(isinstance(action, SetLight) for action in element.actions)
        for element in elements
    )


def _find_map(file: ScenarioFile, maps: Sequence[MapFile]) -> MapFile | MadeMap:
    """The map that the file names: where it says, or among `maps` by its name; a straight road where every place in it
    is relative to an entity.

    Raises:
        ScenarioFileError: it is not there.
    """
    logic = file.root.find("RoadNetwork/LogicFile")
    named = "" if logic is None else logic.text("filepath", "")
    tried = []
    if named:
        given = Path(named)
        at = given if given.is_absolute() else file.path.parent / given
        for candidate in (at, at.with_name(at.name + SUFFIX)):
            tried.append(str(candidate))
            if candidate.is_file():
                return MapFile(path=candidate)
        name = given.name.removesuffix(SUFFIX).lower()
        for map_file in maps:
            if map_file.name.lower() == name:
                return map_file
    fixed = needs_map(file.root)
    if fixed is None:
        return straight_road()
    where = logic or fixed
    if not named:
        raise where.error(f"the file names no map, and {fixed.where} has no meaning without one")
    among = ", ".join(each.name for each in maps) or "none"
    raise where.error(
        f"map {named!r} is not there: looked for {' and '.join(tried)}, and among the given maps ({among}); give it "
        f"with --maps FOLDER/{Path(named).name.removesuffix(SUFFIX)}{SUFFIX}"
    )
