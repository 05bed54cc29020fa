"""docs/scenarios.md, rendered from the catalogue; nobody edits it by hand: `python docs/make_scenarios.py`."""

from __future__ import annotations

from pathlib import Path

from scenarios.catalogue import SCENARIOS
from scenarios.scenario import Case, Scenario
from worldsim.atomic_files import atomic_path

PAGE = Path(__file__).parent / "scenarios.md"
HEAD = """<!-- Written by docs/make_scenarios.py from scenarios/catalogue. Change the catalogue, not this page. -->
# Scenarios

`drivedit validate --scenarios NAME ...` drives these, `SCENARIOS[NAME].draw(seed)` draws a case, and
`SCENARIOS[NAME].make(seed, values)` makes one of given values. Parameters are drawn uniformly unless the table says
otherwise; what does not meet a scenario's condition (an avoidable cut-in by UN R157, say) is drawn again. Each case
is set in a town of its own, drawn from those that no model was trained on; where that has no room for it, in one of
the five after it. The policy takes over at time 0, mostly half a second after what happens has begun.
"""
SECTIONS = """
## Where a case takes place

Scenarios of one road start on a stretch without a junction. Scenarios of a junction look for a start
(`envs.maps.junction_search`): a lane from which the ego's route goes over a junction as asked for, under the light or
sign that is asked for, so many metres before its stop line or before the place where it meets the path of another
road user, who comes from the left, from the right, the other way or from beside. The other drives along the lanes of
its own road; scripts do not react. A light is set such that it turns yellow in time; the junction's other lights keep
their places in its cycle. Towns have neither merges nor roundabouts: `merge` and `roundabout` make a map for each
case (`envs.maps.towns.special_places`). With `--maps` all scenarios, those too, look for their places on the given
maps; a map without one makes the case INVALID and the reason names map and what it lacks. In CARLA no start before a
junction is looked for, and there are no edits: those scenarios are INVALID there.

## What came about

A drive counts if its scenario came about. `realised` in the report puts what was asked for beside what the world
showed: the ego's speed, how many scripted road users are shown, gaps and headways where the policy takes over,
speeds, braking, lateral and walking speeds, when a road user reaches the ego's lane or path, the distance to the stop
line, what the light shows and when it turns yellow, the clear width of a passage. They are measured on the positions
and speeds of road users that the world lists, in both worlds alike, against a tolerance each. What the policy changes
is not held against the scenario: gaps are measured at time 0, everything else is what the scripts alone decide. What
a drive ended too early to show is left out.
"""


def render() -> str:
    """The page."""
    tags = sorted({tag for entry in SCENARIOS.values() for tag in entry.tags})
    rows = [_row(entry) for entry in SCENARIOS.values()]
    header = ["scenario", "what happens", "parameters", "a pass", "measured", "tags"]
    table = [_line(header), "|---" * len(header) + "|", *map(_line, rows)]
    counts = [f"`{tag}` {sum(tag in entry.tags for entry in SCENARIOS.values())}" for tag in tags]
    listed = (
        f"\n{len(SCENARIOS)} scenarios; by tag: {', '.join(counts)}. `drivedit validate` drives those tagged"
        " `benchmark` by default.\n\n"
    )
    return HEAD + listed + "\n".join(table) + "\n" + SECTIONS


def _row(entry: Scenario) -> list[str]:
    case = entry.draw(0)
    return [
        f"`{entry.name}`",
        entry.description,
        "; ".join(f"{parameter.name}: {parameter.span}" for parameter in entry.parameters),
        _criteria(case),
        ", ".join(dict.fromkeys(measure.name for measure in case.measures)) or "–",
        ", ".join(entry.tags),
    ]


def _criteria(case: Case) -> str:
    """What a pass asks for, in words."""
    criteria = case.criteria
    asked = ["no collision", "on the road"]
    asked += ["no red light run"] if criteria.max_red_lights is not None else []
    asked += ["stops at stop signs"] if criteria.max_stop_signs is not None else []
    asked += [f"within {criteria.max_route_offset:g} m of the route"] if criteria.max_route_offset is not None else []
    asked += ["progress"] if criteria.min_progress > 0 else []
    return ", ".join(asked)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    with atomic_path(PAGE) as temporary:
        temporary.write_text(render(), encoding="utf-8")
