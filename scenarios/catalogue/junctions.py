"""Scenarios of road users who cross the ego's path at a junction."""

from __future__ import annotations

from envs.maps.junction_search import Control, JunctionAhead, Side
from scenarios.actors import PassingCar
from scenarios.catalogue.conventions import KMH, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.catalogue.signals import ANY_TURN
from scenarios.criteria import PassCriteria
from scenarios.measures import Meets, ShowsSignal, Speed
from scenarios.parameters import Parameter, Values, flag
from scenarios.scenario import CONTEXT, Situation
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.signals import SignalKind

DURATION = 8.0
"""[s]."""
MAX_ROUTE_OFFSET = 4.0
"""Who is farther from the route has not gone the way that was asked for [m]."""
STRAIGHT, LEFT = (RouteCommand.STRAIGHT,), (RouteCommand.LEFT,)


def other_speed(low: float, high: float) -> Parameter:
    """The other's speed [km/h]."""
    return Parameter(name="speed of the other", unit="km/h", low=low, high=high)


def arrival(low: float, high: float) -> Parameter:
    """When an ego that does not brake is where the two paths meet [s]."""
    return Parameter(name="time to arrival", unit="s", low=low, high=high)


def later(low: float, high: float) -> Parameter:
    """How much later the other is there [s]; negative where it is there before the ego."""
    return Parameter(name="the other arrives later by", unit="s", low=low, high=high)


LATER = later(-0.3, 0.3)


def crossing(
    values: Values,
    *,
    side: Side,
    controls: tuple[Control, ...],
    turns: tuple[RouteCommand, ...] = STRAIGHT,
    partner_turns: tuple[RouteCommand, ...] = STRAIGHT,
    signals: tuple[SignalKind, ...] = (),
    roundabout: bool = False,
) -> Situation:
    """An ego that does not brake and a car from another road are where their paths meet at about the same time.

    Args:
        values: of "ego speed", "speed of the other", "time to arrival" and "the other arrives later by".
        side: where the other comes from.
        controls: what may count for the ego; a light is green throughout.
        turns: what the ego's route may do.
        partner_turns: what the other may do.
        signals: of which one must be ahead of the ego at the start; () does not ask.
        roundabout: the ego enters one.
    """
    speed, other, at = values["ego speed"] * KMH, values["speed of the other"] * KMH, values["time to arrival"]
    meets = at + values[LATER.name]
    car = PassingCar(before=other * (CONTEXT + meets), speed=other)
    shown = (ShowsSignal(kinds=signals),) if signals else ()
    return Situation(
        ego_speed=speed,
        scripts=(),
        partners=(car,),
        duration=DURATION,
        criteria=PassCriteria(
            min_progress=0.5 * speed * at, max_red_lights=0, max_stop_signs=0, max_route_offset=MAX_ROUTE_OFFSET
        ),
        junction=JunctionAhead(
            distance=speed * (CONTEXT + at),
            turns=turns,
            controls=controls,
            partner=side,
            partner_turns=partner_turns,
            partner_distance=car.before,
            roundabout=roundabout,
            beyond=0.0 if roundabout else 25.0,
            green_ends=DURATION if "light" in controls else None,
        ),
        measures=(Meets(requested=meets), Speed(name="speed of the other", requested=other), *shown),
    )


@scenario(
    title="Give way",
    tags=("scripted", "junction", "signals"),
    parameters=(ego_speed(20, 40), other_speed(20, 45), arrival(3.0, 4.5), LATER),
)
def give_way(values: Values) -> Situation:
    """The ego comes to a yield sign, and a car with priority from the left."""
    return crossing(values, side="left", controls=("yield",), turns=ANY_TURN, signals=(SignalKind.YIELD,))


@scenario(
    title="Crossing traffic",
    tags=("scripted", "junction", "Euro NCAP"),
    parameters=(ego_speed(20, 45), other_speed(20, 40), arrival(3.0, 4.5), LATER, flag("from the left")),
)
def crossing_traffic(values: Values) -> Situation:
    """A car from the side road drives on although the ego has priority, or a green light."""
    return crossing(values, side="left" if values["from the left"] else "right", controls=("light", "none"))


@scenario(
    title="Oncoming car turns left",
    tags=("scripted", "junction", "Euro NCAP"),
    parameters=(ego_speed(20, 45), other_speed(15, 25), arrival(3.0, 4.5), LATER),
)
def oncoming_turn(values: Values) -> Situation:
    """An oncoming car turns left across the path of the ego, which goes straight on and has priority."""
    return crossing(values, side="oncoming", partner_turns=LEFT, controls=("light", "none"))


@scenario(
    title="Left turn across oncoming traffic",
    tags=("scripted", "junction", "Euro NCAP"),
    parameters=(ego_speed(15, 25), other_speed(25, 45), arrival(3.5, 5.0), LATER),
)
def left_turn(values: Values) -> Situation:
    """The ego turns left; an oncoming car with priority goes straight on."""
    return crossing(values, side="oncoming", turns=LEFT, controls=("light", "none"))
