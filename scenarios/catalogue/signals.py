"""Scenarios of traffic lights and signs."""

from __future__ import annotations

from envs.maps.junction_search import JunctionAhead
from scenarios.actors import EGO_HALF_LENGTH
from scenarios.catalogue.conventions import KMH, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.measures import LineDistance, ShowsSignal, TurnsYellow
from scenarios.parameters import Parameter, Values
from scenarios.scenario import CONTEXT, Situation
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.signals import SignalKind

YELLOW = 3.0
"""A light is yellow at least this long [s]."""
ANY_TURN = (RouteCommand.STRAIGHT, RouteCommand.LEFT, RouteCommand.RIGHT)


def _reaches_red(values: Values) -> bool:
    """Whether an ego that does not brake reaches the line on red, half a second after yellow or later."""
    return values["time to the line"] - values["light turns yellow"] > YELLOW + 0.5


@scenario(
    title="Red light",
    tags=("scripted", "signals"),
    parameters=(
        ego_speed(20, 45),
        Parameter(name="time to the line", unit="s", low=3.0, high=4.5),
        Parameter(name="light turns yellow", unit="s", low=-2.0, high=0.8),
    ),
    condition=_reaches_red,
)
def red_light(values: Values) -> Situation:
    """A light turns yellow, and red before an ego that does not brake is there; at times it is red at the start."""
    speed, arrival, yellow_at = values["ego speed"] * KMH, values["time to the line"], values["light turns yellow"]
    shown = TurnsYellow(requested=yellow_at)
    if yellow_at < 0.1:
        shown = ShowsSignal(kinds=(SignalKind.YELLOW, SignalKind.RED))
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=8.0,
        criteria=PassCriteria(min_progress=0.5 * speed * arrival, max_red_lights=0),
        junction=JunctionAhead(
            distance=EGO_HALF_LENGTH + speed * (CONTEXT + arrival),
            turns=ANY_TURN,
            controls=("light",),
            green_ends=yellow_at,
        ),
        measures=(LineDistance(requested=speed * arrival), shown),
    )


@scenario(
    title="Stop sign",
    tags=("scripted", "signals"),
    parameters=(ego_speed(20, 40), Parameter(name="time to the line", unit="s", low=3.0, high=4.5)),
)
def stop_sign(values: Values) -> Situation:
    """The ego has to stop at a stop sign; nobody else is there."""
    speed, arrival = values["ego speed"] * KMH, values["time to the line"]
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=9.0,
        criteria=PassCriteria(min_progress=0.6 * speed * arrival, max_stop_signs=0),
        junction=JunctionAhead(
            distance=EGO_HALF_LENGTH + speed * (CONTEXT + arrival), turns=ANY_TURN, controls=("stop",)
        ),
        measures=(LineDistance(requested=speed * arrival), ShowsSignal(kinds=(SignalKind.STOP,))),
    )
