"""Scenarios of the road itself: a narrow passage, a merge and a roundabout.

Towns have neither merges nor roundabouts, so a map is made for each case, unless maps are given.
"""

from __future__ import annotations

from envs.maps.map_files import MadeMap
from envs.maps.towns.special_places import merge_xodr, roundabout_xodr
from scenarios.actors import EGO_HALF_LENGTH
from scenarios.catalogue.conventions import KMH, ego_speed
from scenarios.catalogue.junctions import LATER, arrival, crossing, later, other_speed
from scenarios.catalogue.registry import scenario
from scenarios.catalogue.signals import ANY_TURN
from scenarios.criteria import PassCriteria
from scenarios.measures import ClearWidth
from scenarios.parameters import Parameter, Values, flag
from scenarios.scenario import Situation
from worldsim.datatypes.signals import SignalKind
from worldsim.editing.edits import AlongRoute, Put

TRUCK = (8.0, 2.2, 3.0)
"""Length, width and height of the trucks that leave a narrow passage [m]."""


@scenario(
    title="Narrow passage",
    tags=("scripted",),
    parameters=(
        ego_speed(15, 30),
        Parameter(name="distance", unit="m", low=25.0, high=40.0),
        Parameter(name="clear width", unit="m", low=2.6, high=3.0),
        Parameter(name="offset", unit="m", low=0.4, high=0.9),
        flag("to the left"),
    ),
)
def narrow_passage(values: Values) -> Situation:
    """Trucks on either side leave a narrow passage beside the middle of the lane; the ego has to pass between them."""
    speed, clear = values["ego speed"] * KMH, values["clear width"]
    offset = values["offset"] if values["to the left"] else -values["offset"]
    length, width, _ = TRUCK
    middle = EGO_HALF_LENGTH + values["distance"] + length / 2
    trucks = tuple(
        Put(
            thing="truck",
            size=TRUCK,
            place=AlongRoute(ahead=middle, left=offset + side * (clear + width) / 2),
        )
        for side in (1.0, -1.0)
    )
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=9.0,
        criteria=PassCriteria(min_progress=values["distance"] + length),
        measures=(ClearWidth(requested=clear, ahead=middle),),
        edits=trucks,
    )


def _merge_map(seed: int) -> MadeMap:
    return MadeMap(name=f"merge_{seed}", xodr=merge_xodr(seed))


def _roundabout_map(seed: int) -> MadeMap:
    return MadeMap(name=f"roundabout_{seed}", xodr=roundabout_xodr(seed))


@scenario(
    title="Merge",
    tags=("scripted", "junction"),
    parameters=(ego_speed(40, 60), other_speed(30, 45), arrival(3.0, 4.5), later(-0.8, -0.2)),
    made_map=_merge_map,
)
def merge(values: Values) -> Situation:
    """The ego's slip road merges into a main road on which a slower car is level with it."""
    return crossing(values, side="beside", controls=("yield",))


@scenario(
    title="Roundabout",
    tags=("scripted", "junction", "signals"),
    parameters=(ego_speed(20, 40), other_speed(15, 25), arrival(3.0, 4.5), LATER),
    made_map=_roundabout_map,
)
def roundabout(values: Values) -> Situation:
    """The ego enters a roundabout by a yield sign while a car comes round."""
    return crossing(
        values,
        side="left",
        controls=("yield",),
        turns=ANY_TURN,
        partner_turns=ANY_TURN,
        signals=(SignalKind.YIELD,),
        roundabout=True,
    )
