"""Variants in rain, in fog and at dusk: the same situations under another sky, for drivers that look.

The reference world has no night; its darkest look is dusk. Roads are as grippy as ever.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.catalogue.lane_changes import cut_in
from scenarios.catalogue.longitudinal import lead_braking
from scenarios.catalogue.pedestrians import pedestrian_crossing
from scenarios.catalogue.registry import scenario
from scenarios.parameters import Values
from scenarios.scenario import Scenario, Situation
from worldsim.editing.edits import Look, LookName


def _under(look: LookName, base: Scenario, values: Values) -> Situation:
    situation = base.factory(values)
    return replace(situation, edits=(*situation.edits, Look(name=look)))


@scenario(title="Lead car brakes in the rain", tags=("scripted", "weather"), parameters=lead_braking.parameters)
def lead_braking_in_rain(values: Values) -> Situation:
    """The car ahead brakes to a standstill, in the rain."""
    return _under("rain", lead_braking, values)


@scenario(title="Cut-in in fog", tags=("scripted", "weather"), parameters=cut_in.parameters, condition=cut_in.condition)
def cut_in_in_fog(values: Values) -> Situation:
    """A slower car changes into the ego's lane ahead, in fog."""
    return _under("fog", cut_in, values)


@scenario(title="Pedestrian crosses at dusk", tags=("scripted", "weather"), parameters=pedestrian_crossing.parameters)
def pedestrian_crossing_at_dusk(values: Values) -> Situation:
    """A pedestrian walks onto the road at 5 km/h, timed to meet an ego that does not brake, at dusk."""
    return _under("dusk", pedestrian_crossing, values)
