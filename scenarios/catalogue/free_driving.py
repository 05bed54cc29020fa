"""Scenarios without an event: a town's own traffic, and an empty road."""

from __future__ import annotations

import math
from dataclasses import replace

from envs.scripted_actors import TrafficLevel
from policies.disturbance import Disturbance
from scenarios.catalogue.conventions import KMH, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.parameters import Parameter, Values, flag
from scenarios.scenario import Situation


@scenario(title="Ordinary traffic", tags=("fidelity", "ambient"), parameters=(ego_speed(0, 36),))
def traffic(values: Values) -> Situation:
    """Ten seconds in a town's own traffic, with its bends and junctions. No actor is scripted, and standing still is no
    failure."""
    return Situation(
        ego_speed=values["ego speed"] * KMH,
        scripts=(),
        duration=10.0,
        criteria=PassCriteria(min_progress=0.0),
        ambient_traffic=True,
    )


@scenario(
    title="Traffic of all kinds",
    tags=("ambient",),
    parameters=(
        ego_speed(0, 36),
        Parameter(name="vehicles", low=0.25, high=2.0),
        Parameter(name="pedestrians", low=0.25, high=3.0),
        Parameter(name="speed of drivers", low=0.6, high=1.5),
        Parameter(name="draw", low=0.0, high=7.0, distribution="choice", choices=tuple(map(float, range(8)))),
    ),
)
def varied_traffic(values: Values) -> Situation:
    """Ten seconds in a town's own traffic with fewer or more road users than usual, slower or faster drivers, and other
    draws of where they are: all shares of the usual. For the search of failures."""
    level = TrafficLevel(
        vehicles=values["vehicles"],
        pedestrians=values["pedestrians"],
        speed=values["speed of drivers"],
        draw=int(values["draw"]),
    )
    return replace(traffic.factory(values), traffic=level)


@scenario(title="Pushed off the lane's centre", tags=("recovery",), parameters=(ego_speed(20, 40), flag("to the left")))
def lane_recovery(values: Values) -> Situation:
    """On an empty straight road the car is pushed 0.5 m and 4° off its lane before the policy takes over."""
    speed, side = values["ego speed"] * KMH, 1.0 if values["to the left"] else -1.0
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=7.0,
        criteria=PassCriteria(min_progress=0.5 * speed * 7.0),
        disturbance=Disturbance(offset=0.5 * side, heading=math.radians(4.0)),
    )
