"""Robustness: positive exactly where a drive passes, and the smaller the nearer to failure, or the worse."""

from dataclasses import replace

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.case_results import BROKEN, Measurement, measure, undriven_result
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.criteria import Criterion
from scenarios.falsification.robustness import BROKEN as WORST
from scenarios.falsification.robustness import FAMILIES, INVALID, measure_robustness
from scenarios.metrics.metric_value import Validity
from worldsim.datatypes.signals import SignalKind


@pytest.fixture(scope="module")
def drives():
    runner = ReferenceCaseRunner(DrivingEnv(StraightWorld(), obs="state"))

    def drive(policy, **values):
        scenario = SCENARIOS["lead_braking"]
        case = scenario.make(0, {p.name: values.get(p.name, p.quantile(0.5)) for p in scenario.parameters})
        rollout = runner.run(case, policy)
        return measure(case, rollout, families=FAMILIES), rollout

    return drive


def test_it_agrees_with_the_verdict_and_falls_with_severity(drives):
    passed, failed = drives(LaneFollower()), drives(ConstantPolicy((0.0, 0.1)))
    worse = drives(ConstantPolicy((0.0, 0.6)))
    assert (passed[0].outcome, failed[0].outcome, worse[0].outcome) == ("passed", "collision", "collision")
    ours = [measure_robustness(*one) for one in (passed, failed, worse)]
    assert 1 > ours[0].value > 0 > ours[1].value > ours[2].value > -1
    assert ours[1].criterion == "collision"
    speed = failed[0].impact_speed
    assert ours[1].value == pytest.approx(-speed / (speed + 10.0))


def test_it_falls_with_clearance_and_time_to_collision(drives):
    result, rollout = drives(LaneFollower())
    far = {
        **result.metrics,
        "min_time_to_collision": Measurement(value=None, validity=Validity.NOT_APPLICABLE, reason="-"),
    }
    far = replace(result, metrics=far)

    def at(**values):
        measured = {name: Measurement(value=value, validity=Validity.VALID) for name, value in values.items()}
        criteria = tuple(c for c in result.criteria if c.name == "collision")
        return measure_robustness(replace(far, criteria=criteria, metrics={**far.metrics, **measured}), rollout).value

    assert at(distance_of_closest_encounter=1.0) == pytest.approx(0.5)
    assert at(distance_of_closest_encounter=0.25) == pytest.approx(0.2)
    assert at(distance_of_closest_encounter=1.0, min_time_to_collision=0.25) == pytest.approx(0.2)
    assert at(distance_of_closest_encounter=0.0) > 0  # it passed


def test_thresholds_in_their_own_unit(drives):
    result, rollout = drives(LaneFollower())

    def of(name, value, bound, threshold):
        criterion = Criterion(name=name, value=value, bound=bound, threshold=threshold, unit="m")
        return measure_robustness(replace(result, outcome=name, criteria=(criterion,)), rollout).value

    assert of("left_route", 3.0, "at most", 4.0) == pytest.approx(0.25)
    assert of("left_route", 6.0, "at most", 4.0) == pytest.approx(-0.5)
    assert of("no_progress", 15.0, "at least", 20.0) == pytest.approx(-0.25)
    assert of("no_progress", 90.0, "at least", 20.0) < 1
    criterion = Criterion(name="no_progress", value=0.0, bound="at least", threshold=20.0)
    hit = next(c for c in drives(ConstantPolicy((0.0, 0.6)))[0].criteria if c.name == "collision")
    stopped = replace(result, outcome="collision", step=4, criteria=(hit, criterion))
    assert measure_robustness(stopped, rollout).criterion == "collision"  # it was stopped before it could get on


def test_a_red_light_that_is_run_and_one_that_is_not(drives):
    result, rollout = drives(LaneFollower())
    scenes = rollout.scenes.copy()
    scenes.signal_valid[:], scenes.signal[:], scenes.signal_distance[:] = True, SignalKind.RED, 5.0
    criterion = Criterion(name="red_light", value=0.0, bound="at most", threshold=0.0)
    stands = replace(result, criteria=(criterion,))
    assert measure_robustness(stands, replace(rollout, scenes=scenes)).value == pytest.approx(0.5)
    assert measure_robustness(stands, rollout).value == 1.0  # none was red
    red = np.zeros_like(rollout.red_light)
    red[10] = True
    run = replace(result, outcome="red_light", criteria=(replace(criterion, value=1.0),))
    speed = float(rollout.scenes.speed[9])
    assert measure_robustness(run, replace(rollout, red_light=red)).value == pytest.approx(-speed / (speed + 10.0))


def test_what_says_nothing_is_worse_than_any_pass_and_what_broke_as_bad_as_can_be():
    case = SCENARIOS["lead_braking"].draw(0)
    assert measure_robustness(undriven_result(case, "invalid", "no start"), None).value == INVALID > 1
    assert measure_robustness(undriven_result(case, BROKEN, "raised"), None).value == WORST == -1
