"""Scenarios of road users who come into the ego's lane, or leave it."""

from __future__ import annotations

from scenarios.actors import CutIn
from scenarios.catalogue.conventions import KMH, LANE_WIDTH, NOTICE, ego_speed
from scenarios.catalogue.registry import scenario
from scenarios.criteria import PassCriteria
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
    car = CutIn(
        gap=values["gap"] + slower * (CONTEXT - NOTICE),
        speed=speed - slower,
        offset=(1.0 if values["from the left"] else -1.0) * LANE_WIDTH,
        start_at=-NOTICE,
        lateral_speed=values["lateral speed"],
    )
    return Situation(
        ego_speed=speed, scripts=(car,), duration=6.0, criteria=PassCriteria(min_progress=0.5 * car.speed * 6.0)
    )
