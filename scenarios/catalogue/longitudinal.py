"""Scenarios of what is ahead in the ego's own lane."""

from __future__ import annotations

import numpy as np

from scenarios.actors import BrakingLead, Steady, SurgingLead
from scenarios.catalogue.conventions import KMH, NOTICE, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.measures import Braking, Gap, LowestSpeed, Speed
from scenarios.parameters import Parameter, Values
from scenarios.scenario import CONTEXT, Situation

_R157_SPEEDS, _R157_HEADWAYS = np.array([20, 30, 40, 50]) * KMH, [1.2, 1.3, 1.4, 1.5]


def r157_headway(speed: float) -> float:
    """The least time gap of UN R157 at a speed [m/s] [s]."""
    return float(np.interp(speed, _R157_SPEEDS, _R157_HEADWAYS))


@scenario(
    title="Lead car brakes",
    tags=("benchmark", "fidelity", "scripted", "UN R157"),
    parameters=(
        ego_speed(20, 50),
        Parameter(name="headway over that of UN R157", low=1.0, high=1.4),
        Parameter(name="lead braking", unit="m/s²", low=3.0, high=6.0),
    ),
)
def lead_braking(values: Values) -> Situation:
    """The car ahead brakes to a standstill."""
    speed, deceleration = values["ego speed"] * KMH, values["lead braking"]
    gap = speed * (r157_headway(speed) * values["headway over that of UN R157"])
    return Situation(
        ego_speed=speed,
        scripts=(BrakingLead(gap=gap, speed=speed, brake_at=-NOTICE, deceleration=deceleration),),
        duration=6.0,
        criteria=PassCriteria(min_progress=0.4 * (gap + speed**2 / (2 * deceleration))),
        measures=(Gap(requested=gap - deceleration * NOTICE**2 / 2), Braking(requested=deceleration)),
    )


@scenario(
    title="Following in a queue",
    tags=("scripted", "following", "UN R157"),
    parameters=(
        ego_speed(20, 40),
        Parameter(name="headway", unit="s", low=1.2, high=1.6),
        Parameter(name="lowest speed over highest", low=0.1, high=0.4),
        Parameter(name="period", unit="s", low=6.0, high=8.0),
    ),
)
def following(values: Values) -> Situation:
    """The car ahead slows down and speeds up again, as in a queue."""
    speed, period = values["ego speed"] * KMH, values["period"]
    gap, lowest = speed * values["headway"], speed * values["lowest speed over highest"]
    return Situation(
        ego_speed=speed,
        scripts=(SurgingLead(gap=gap, speed=speed, lowest=lowest, slows_at=0.0, period=period),),
        duration=8.0,
        criteria=PassCriteria(min_progress=0.5 * 8.0 * (speed + lowest) / 2),
        measures=(Gap(requested=gap), LowestSpeed(requested=lowest, reached_at=period / 2)),
    )


@scenario(
    title="Standing car",
    tags=("scripted", "Euro NCAP"),
    parameters=(ego_speed(25, 45), Parameter(name="time to collision", unit="s", low=3.5, high=4.5)),
)
def standing_car(values: Values) -> Situation:
    """A car stands in the ego's lane."""
    speed, ttc = values["ego speed"] * KMH, values["time to collision"]
    return Situation(
        ego_speed=speed,
        scripts=(Steady(gap=speed * (CONTEXT + ttc), speed=0.0),),
        duration=7.0,
        criteria=PassCriteria(min_progress=0.6 * speed * ttc),
        measures=(Gap(requested=speed * ttc), Speed(requested=0.0)),
    )
