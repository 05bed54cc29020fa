"""Scenarios of road users who come into the ego's lane, or leave it."""

from __future__ import annotations

from scenarios.actors import CAR_LENGTH, LaneChange, Steady
from scenarios.catalogue.conventions import KMH, LANE_WIDTH, NOTICE, ego_speed
from scenarios.catalogue.longitudinal import r157_headway
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
from scenarios.measures import Gap, LateralSpeed, Speed
from scenarios.metrics.r157 import must_be_avoided
from scenarios.parameters import Parameter, Values, flag
from scenarios.scenario import CONTEXT, Situation


def cut_in_is_avoidable(
    *, gap: float, closing_speed: float, lateral_speed: float, start_offset: float = LANE_WIDTH, half_lane: float = 1.75
) -> bool:
    """Whether UN R157 holds that the cut-in must be avoided: TTC at intrusion > v_rel / (2·6 m/s²) + 0.35 s.

    Args:
        gap: bumper to bumper when the lane change begins [m].
        closing_speed: [m/s].
        lateral_speed: [m/s].
        start_offset: lateral distance of the two cars' centres when it begins [m].
        half_lane: the marking's distance from the ego's lane centre [m].
    """
    half_car, intrusion = 0.95, 0.3
    until_intrusion = max(start_offset - half_car - half_lane + intrusion, 0.0) / lateral_speed
    ttc = (gap - closing_speed * until_intrusion) / max(closing_speed, 1e-6)
    return bool(must_be_avoided(ttc, closing_speed))


def _must_be_avoided(values: Values) -> bool:
    speed, slower = values["ego speed"] * KMH, values["closing speed"] * KMH
    avoidable = cut_in_is_avoidable(gap=values["gap"], closing_speed=slower, lateral_speed=values["lateral speed"])
    return avoidable and slower < 0.7 * speed


@scenario(
    title="Cut-in",
    tags=("benchmark", "fidelity", "scripted", "UN R157"),
    parameters=(
        ego_speed(25, 50),
        Parameter(name="closing speed", unit="km/h", low=5, high=25),
        Parameter(name="gap", unit="m", low=5, high=30),
        Parameter(name="lateral speed", unit="m/s", low=0.8, high=1.8),
        flag("from the left"),
    ),
    condition=_must_be_avoided,
)
def cut_in(values: Values) -> Situation:
    """A slower car changes into the ego's lane ahead; only draws that are avoidable by UN R157."""
    speed, slower = values["ego speed"] * KMH, values["closing speed"] * KMH
    car = LaneChange(
        gap=values["gap"] + slower * (CONTEXT - NOTICE),
        speed=speed - slower,
        offset=(1.0 if values["from the left"] else -1.0) * LANE_WIDTH,
        start_at=-NOTICE,
        lateral_speed=values["lateral speed"],
    )
    return Situation(
        ego_speed=speed,
        scripts=(car,),
        duration=6.0,
        criteria=PassCriteria(min_progress=0.5 * car.speed * 6.0),
        measures=(
            Gap(requested=values["gap"] - slower * NOTICE),
            LateralSpeed(requested=values["lateral speed"]),
            Speed(requested=car.speed),
        ),
    )


OUT_OF_LANE = 2.3
"""A car that has moved aside by this leaves the lane to others of its width [m]."""


def _lead_gets_out(values: Values) -> bool:
    """Whether the lead is out of the lane before it comes to what it uncovers."""
    speed = values["ego speed"] * KMH
    headway = r157_headway(speed) * values["headway over that of UN R157"] + CAR_LENGTH / speed
    return values["time to collision"] + NOTICE - headway > OUT_OF_LANE / values["lateral speed"]


@scenario(
    title="Cut-out",
    tags=("scripted", "UN R157"),
    parameters=(
        ego_speed(25, 45),
        Parameter(name="headway over that of UN R157", low=1.0, high=1.2),
        Parameter(name="time to collision", unit="s", low=3.5, high=4.5),
        Parameter(name="lateral speed", unit="m/s", low=1.2, high=2.0),
        flag("to the left"),
    ),
    condition=_lead_gets_out,
)
def cut_out(values: Values) -> Situation:
    """The car ahead leaves the lane and uncovers a standing one."""
    speed, ttc = values["ego speed"] * KMH, values["time to collision"]
    gap = speed * (r157_headway(speed) * values["headway over that of UN R157"])
    lead = LaneChange(
        gap=gap,
        speed=speed,
        offset=0.0,
        target=(1.0 if values["to the left"] else -1.0) * LANE_WIDTH,
        start_at=-NOTICE,
        lateral_speed=values["lateral speed"],
    )
    return Situation(
        ego_speed=speed,
        scripts=(lead, Steady(gap=speed * (CONTEXT + ttc), speed=0.0)),
        duration=7.0,
        criteria=PassCriteria(min_progress=0.6 * speed * ttc),
        measures=(
            Gap(requested=gap),
            LateralSpeed(requested=lead.lateral_speed),
            Gap(name="gap to the standing car", requested=speed * ttc, actor=1),
        ),
    )


@scenario(
    title="Wrong-way driver",
    tags=("scripted",),
    parameters=(
        ego_speed(20, 40),
        Parameter(name="speed of the other", unit="km/h", low=15, high=30),
        Parameter(name="time to collision", unit="s", low=2.4, high=3.0),
        Parameter(name="too late by", unit="s", low=0.4, high=0.8),
        Parameter(name="lateral speed", unit="m/s", low=1.2, high=1.8),
    ),
)
def wrong_way_driver(values: Values) -> Situation:
    """A car comes towards the ego in its lane and goes back to its own too late for an ego that does not brake."""
    speed, other, ttc = values["ego speed"] * KMH, values["speed of the other"] * KMH, values["time to collision"]
    lateral_speed = values["lateral speed"]
    car = LaneChange(
        gap=(speed + other) * (CONTEXT + ttc),
        speed=other,
        offset=0.0,
        target=LANE_WIDTH,
        start_at=ttc + values["too late by"] - OUT_OF_LANE / lateral_speed,
        lateral_speed=lateral_speed,
        oncoming=True,
    )
    return Situation(
        ego_speed=speed,
        scripts=(car,),
        duration=7.0,
        criteria=PassCriteria(min_progress=0.3 * speed * ttc),
        measures=(
            Gap(requested=(speed + other) * ttc),
            Speed(requested=other),
            LateralSpeed(requested=lateral_speed),
        ),
    )
