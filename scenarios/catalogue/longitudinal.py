"""Scenarios of what is ahead in the ego's own lane."""

from __future__ import annotations

import numpy as np

from scenarios.actors import BrakingLead
from scenarios.catalogue.conventions import KMH, NOTICE, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.parameters import Parameter, Values
from scenarios.scenario import Situation

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
    )
