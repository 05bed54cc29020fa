"""Scenarios of the road itself."""

from __future__ import annotations

from scenarios.actors import EGO_HALF_LENGTH
from scenarios.catalogue.conventions import KMH, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.measures import ClearWidth
from scenarios.parameters import Parameter, Values
from scenarios.scenario import Situation
from worldsim.editing.edits import AlongRoute, Put

TRUCK = (8.0, 2.2, 3.0)
"""Length, width and height of the trucks that leave a narrow passage [m]."""


@scenario(
    title="Narrow passage",
    tags=("scripted",),
    parameters=(
        ego_speed(15, 30),
        Parameter(name="distance", unit="m", low=25.0, high=40.0),
        Parameter(name="clear width", unit="m", low=2.6, high=3.2),
    ),
)
def narrow_passage(values: Values) -> Situation:
    """Trucks on either side of the lane leave a narrow passage; the ego has to pass between them."""
    speed, clear = values["ego speed"] * KMH, values["clear width"]
    length, width, _ = TRUCK
    middle = EGO_HALF_LENGTH + values["distance"] + length / 2
    trucks = tuple(
        Put(thing="truck", size=TRUCK, place=AlongRoute(ahead=middle, left=side * (clear + width) / 2))
        for side in (1.0, -1.0)
    )
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=9.0,
        criteria=PassCriteria(min_progress=values["distance"] + length),
        measures=(ClearWidth(requested=clear),),
        edits=trucks,
    )
