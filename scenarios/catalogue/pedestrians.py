"""Scenarios with pedestrians."""

from __future__ import annotations

from scenarios.actors import EGO_HALF_LENGTH, CrossingPedestrian, Steady
from scenarios.catalogue.conventions import KMH, LANE_WIDTH, NOTICE, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.measures import Gap, Measure, ReachesLane, Speed
from scenarios.parameters import Parameter, Values, flag
from scenarios.scenario import CONTEXT, Situation
from worldsim.datatypes.scene import ObjectKind
from worldsim.editing.edits import AlongRoute, Put

WALK, RUN = 5.0 * KMH, 8.0 * KMH
"""Speeds of Euro NCAP's pedestrians [m/s]."""
VAN = (6.5, 2.2, 2.8)
"""Length, width and height of the truck that hides somebody [m]."""
STEP_OUT, KERB_GAP = 1.0, 0.15
"""A pedestrian steps out so far before a parked truck, which stands so far beside the lane [m]."""


def _walks(speed: float, arrival: float) -> tuple[Measure, ...]:
    """Of a pedestrian who walks at a speed [m/s] and begins NOTICE before the start, `arrival` [s] from the lane."""
    return (
        Speed(name="walking speed", requested=speed, highest=True, tolerance=0.3),
        ReachesLane(requested=arrival - NOTICE),
    )


@scenario(
    title="Pedestrian crosses",
    tags=("benchmark", "fidelity", "scripted", "Euro NCAP"),
    parameters=(
        ego_speed(15, 40),
        Parameter(name="time to arrival", unit="s", low=2.5, high=3.5),
        flag("from the left"),
    ),
)
def pedestrian_crossing(values: Values) -> Situation:
    """A pedestrian walks onto the road at 5 km/h, timed to meet an ego that does not brake."""
    speed, arrival = values["ego speed"] * KMH, values["time to arrival"]
    side = 1.0 if values["from the left"] else -1.0
    distance = speed * (CONTEXT - NOTICE + arrival)
    return Situation(
        ego_speed=speed,
        scripts=(CrossingPedestrian(distance=distance, offset=side * WALK * arrival, start_at=-NOTICE, speed=WALK),),
        duration=6.0,
        criteria=PassCriteria(min_progress=0.3 * (distance - speed * CONTEXT)),
        measures=_walks(WALK, arrival),
    )


@scenario(
    title="Pedestrian steps out from behind a truck",
    tags=("scripted", "occlusion", "Euro NCAP"),
    parameters=(ego_speed(30, 50), Parameter(name="time to arrival", unit="s", low=2.0, high=2.5)),
)
def occluded_crossing(values: Values) -> Situation:
    """A pedestrian runs onto the road at 8 km/h from behind a truck that is parked on the right, timed to meet an ego
    that does not brake. Its pair is the same crossing without the truck."""
    speed, arrival = values["ego speed"] * KMH, values["time to arrival"]
    distance = speed * (CONTEXT - NOTICE + arrival)
    crossing = EGO_HALF_LENGTH + distance - speed * CONTEXT  # ahead of where the policy takes over
    length, width, _ = VAN
    truck = Put(
        thing="truck",
        size=VAN,
        place=AlongRoute(ahead=crossing - STEP_OUT - length / 2, left=-(LANE_WIDTH / 2 + KERB_GAP + width / 2)),
    )
    return Situation(
        ego_speed=speed,
        scripts=(CrossingPedestrian(distance=distance, offset=-RUN * arrival, start_at=-NOTICE, speed=RUN),),
        duration=6.0,
        criteria=PassCriteria(min_progress=0.3 * (distance - speed * CONTEXT)),
        measures=_walks(RUN, arrival),
        edits=(truck,),
    )


@scenario(
    title="Pedestrian walks along the road",
    tags=("scripted", "Euro NCAP"),
    parameters=(
        ego_speed(25, 45),
        Parameter(name="time to collision", unit="s", low=3.0, high=4.0),
        Parameter(name="lateral offset", unit="m", low=-0.8, high=0.0),
    ),
)
def pedestrian_along(values: Values) -> Situation:
    """A pedestrian walks ahead in the ego's lane at 5 km/h, in the middle or towards the kerb."""
    speed, ttc = values["ego speed"] * KMH, values["time to collision"]
    closing = speed - WALK
    walker = Steady(
        gap=closing * (CONTEXT + ttc),
        speed=WALK,
        lateral=values["lateral offset"],
        kind=ObjectKind.PEDESTRIAN,
        length=0.5,
        width=0.5,
    )
    return Situation(
        ego_speed=speed,
        scripts=(walker,),
        duration=6.0,
        criteria=PassCriteria(min_progress=0.4 * speed * ttc),
        measures=(Gap(requested=closing * ttc), Speed(name="walking speed", requested=WALK, tolerance=0.3)),
    )
