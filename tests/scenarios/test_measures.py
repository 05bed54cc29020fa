"""Measures: what a drive shows of its scenario, and that a script which does otherwise is found out."""

from dataclasses import replace

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.criteria import PassCriteria
from scenarios.validity import ValidityConfig, realised_parameters, why_invalid


def why(case, rollout, config):
    return why_invalid(realised_parameters(case, rollout), rollout, config)


def drive(case, policy=None):
    return ReferenceCaseRunner(DrivingEnv(StraightWorld())).run(case, LaneFollower() if policy is None else policy)


ON_A_STRAIGHT_ROAD = [
    name
    for name, entry in SCENARIOS.items()
    if entry.draw(0).actors.junction is None and entry.draw(0).measures and name != "narrow_passage"
]


@pytest.mark.parametrize("name", ON_A_STRAIGHT_ROAD)
def test_every_measure_finds_what_the_scripts_were_told(name):
    for seed in range(3):
        case = SCENARIOS[name].draw(seed)
        realised = realised_parameters(case, drive(case))
        assert {one.name for one in realised} >= {"ego speed", "scripted road users"}
        assert len(realised) >= 3, "something is measured beside them"
        for one in realised:
            assert one.realised == pytest.approx(one.requested, abs=max(0.6 * one.tolerance, 1e-9)), one


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("lead_braking", {"gap": 40.0}, "gap at the start"),
        ("lead_braking", {"deceleration": 1.5}, "lead braking"),
        ("cut_in", {"lateral_speed": 4.0}, "lateral speed"),
        ("standing_car", {"speed": 1.5}, "speed"),
        ("pedestrian_crossing", {"speed": 3.0}, "walking speed"),
        ("pedestrian_crossing", {"start_at": 0.9}, "time to arrival"),
        ("following", {"period": 30.0}, "lowest speed"),
    ],
)
def test_a_script_that_does_otherwise_makes_the_drive_invalid(name, change, found):
    case = SCENARIOS[name].draw(0)
    (script,) = case.actors.scripts
    other = replace(case, actors=replace(case.actors, scripts=(replace(script, **change),)))
    assert f"not realised: {found} " in why(other, drive(other), ValidityConfig())


def test_what_the_policy_changes_is_not_the_scenarios_fault():
    """Full braking, or none: the scenario came about all the same, as far as the drive goes."""
    for action in ((0.0, -1.0), (0.0, 1.0)):
        for name in ON_A_STRAIGHT_ROAD:
            case = SCENARIOS[name].draw(1)
            assert why(case, drive(case, ConstantPolicy(action)), ValidityConfig()) == ""


def test_red_lights_stop_signs_and_the_route_are_criteria_where_they_are_asked_for():
    case = SCENARIOS["lead_braking"].draw(0)
    rollout = drive(case)
    red = np.zeros_like(rollout.red_light)
    red[7] = True
    vehicles = rollout.vehicles.copy()
    vehicles[-1, 1] += 5.0
    bad = replace(rollout, red_light=red, stop_sign_missed=red, vehicles=vehicles)
    free, strict = (
        PassCriteria(min_progress=1.0, **bounds)
        for bounds in ({}, {"max_red_lights": 0, "max_stop_signs": 0, "max_route_offset": 4.0})
    )
    assert all(criterion.met for criterion in free.judge(bad))
    unmet = [c for c in strict.judge(bad) if not c.met]
    assert [c.name for c in unmet] == ["red_light", "stop_sign", "left_route"]
    assert "red_light 1, at most 0 (margin -1): crossed at " in str(unmet[0])
    assert all(criterion.met for criterion in strict.judge(rollout))
    assert [c.name for c in PassCriteria(min_progress=1e4).judge(bad) if not c.met] == ["no_progress"]
