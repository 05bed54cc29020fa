"""Whether a drive counts: its scenario came about, and the world could be believed until it ended."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.rule_based import LaneFollower
from scenarios.case_results import CaseResult, Measurement, measure, run_cases, severity
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_scores import score_drive
from scenarios.metrics.measure_drive import FAMILIES
from scenarios.metrics.metric_value import Validity
from scenarios.planner_bench_drives import summarise_drive
from scenarios.validity import ValidityConfig, realised_parameters, why_invalid, why_unusable
from worldsim.datatypes.scene import LaneColumn, ObjectKind

PICTURES = ValidityConfig(truth=False, pictures=True)
STATE = ValidityConfig(truth=False, pictures=False)


def why(case, rollout, config):
    return why_invalid(realised_parameters(case, rollout), rollout, config)


@pytest.fixture(scope="module")
def driven():
    case = SCENARIOS["lead_braking"].draw(0)
    return case, ReferenceCaseRunner(DrivingEnv(StraightWorld())).run(case, LaneFollower())


def test_a_drive_that_is_as_it_should_be(driven):
    case, rollout = driven
    for config in (ValidityConfig(), PICTURES, STATE):
        assert why(case, rollout, config) == ""
    speed, road_users, *measured = realised_parameters(case, rollout)
    assert speed.realised == pytest.approx(speed.requested, abs=0.3)
    assert (road_users.requested, road_users.realised) == (1, 1)
    assert [one.name for one in measured] == ["gap at the start", "lead braking"]


def test_a_scenario_that_did_not_come_about(driven):
    case, rollout = driven
    assert "not realised: ego speed" in why(replace(case, ego_speed=case.ego_speed + 2), rollout, STATE)
    nobody = replace(rollout.scenes, object_kinds=np.full_like(rollout.scenes.object_kinds, ObjectKind.EMPTY))
    alone = replace(rollout, scenes=nobody)
    assert why(case, alone, ValidityConfig()) == "not realised: scripted road users 0 instead of 1"


@pytest.mark.parametrize(("event", "said"), [("collision", "in contact with something"), ("off_road", "off the road")])
def test_a_drive_that_begins_in_contact_or_off_the_road_is_flagged_and_counts_nowhere(driven, event, said):
    """In validate and falsify, which ask for a validity, and in fidelity and bench-planners, which do not."""
    case, rollout = driven
    values = getattr(rollout, event).copy()
    values[0] = 1.0
    begun_badly = replace(rollout, **{event: values})
    results = [measure(case, begun_badly, config) for config in (None, ValidityConfig(), STATE)]
    results += [score_drive("road", "lane_follower", case, begun_badly, None)]
    effort = SimpleNamespace(wall_seconds=[], cpu_seconds=[], model_steps=0)
    results += [summarise_drive("road", "lane_follower", case, begun_badly, effort, None)]
    for result in results:
        assert (result.outcome, result.valid) == ("invalid", False)
        assert result.reason == f"no fair start: it begins {said} (1.00 at step 0)"


def test_trust_is_lost_where_pictures_are_used_and_only_if_it_stays_low(driven):
    case, rollout = driven
    trust = np.ones(len(rollout.collision))
    trust[10:14] = 0.2
    assert why(case, replace(rollout, trust=trust), PICTURES) == ""
    trust[10:15] = 0.2
    low = replace(rollout, trust=trust)
    assert why(case, low, PICTURES) == "trust lost: below 0.5 for 0.5 s, 0.20 at step 14"
    assert why(case, low, STATE) == ""
    assert why(case, low, ValidityConfig(pictures=True)) == ""
    result = measure(case, low, PICTURES)
    assert (result.verdict, result.failed, result.min_trust) == ("INVALID", False, 0.2)


def test_trust_in_the_start_clips_picture_never_counts(driven):
    case, rollout = driven
    trust = np.full(len(rollout.collision), 0.9)
    poisoned = trust.copy()
    poisoned[0] = 0.0
    clean, other = (measure(case, replace(rollout, trust=values), PICTURES) for values in (trust, poisoned))
    assert clean.min_trust == 0.9
    assert replace(other, digest="") == replace(clean, digest="")
    poisoned[1:5] = 0.2  # with the clip's these would be 0.5 s
    assert why(case, replace(rollout, trust=poisoned), PICTURES) == ""
    frames = np.zeros((len(trust), 2, 2, 3), np.uint8)
    kept = [
        score_drive(
            "learned", "lane_follower", case, replace(rollout, trust=np.append(first, trust[1:]), frames=frames), 9
        )
        for first in (0.0, 0.9)
    ]
    assert kept[0] == kept[1]
    assert (kept[0].lowest_trust, kept[0].mean_trust) == (0.9, pytest.approx(0.9))


def test_what_follows_the_end_does_not_count(driven):
    """A collision ends a drive: trust that is lost with it takes nothing back."""
    case, rollout = driven
    collision = rollout.collision.copy()
    collision[12:] = 1.0
    trust = np.ones(len(collision))
    trust[11:] = 0.0
    assert measure(case, replace(rollout, collision=collision, trust=trust), PICTURES).outcome == "collision"


def test_the_tracked_state_is_lost_where_no_pictures_are_used(driven):
    case, rollout = driven
    valid = rollout.scenes.lane_valid.copy()
    valid[20:, LaneColumn.LATERAL_OFFSET] = False
    lost = replace(rollout, scenes=replace(rollout.scenes, lane_valid=valid))
    assert why(case, lost, STATE) == "tracked state lost: the ego's place in its lane is not known from step 20"
    assert why(case, lost, PICTURES) == ""
    vehicles = rollout.vehicles.copy()
    vehicles[3, 0] = np.nan
    result = measure(case, replace(rollout, vehicles=vehicles), ValidityConfig())
    assert (result.verdict, result.reason) == (
        "INVALID",
        "tracked state lost: the ego's pose is not finite from step 3",
    )
    progress = rollout.progress.copy()
    progress[5] = np.inf
    assert "the progress is not finite from step 5" in why_unusable(replace(rollout, progress=progress))


@pytest.mark.parametrize(("lost_at", "verdict"), [(20, "INVALID"), (38, "FAIL")])
def test_an_event_that_comes_after_the_tracked_state_was_lost_says_nothing(driven, lost_at, verdict):
    """Just before the road's edge the lane is left, which is no loss."""
    case, rollout = driven
    off_road = rollout.off_road.copy()
    off_road[40:] = 1.0
    valid = rollout.scenes.lane_valid.copy()
    valid[lost_at:, LaneColumn.LATERAL_OFFSET] = False
    left = replace(rollout, off_road=off_road, scenes=replace(rollout.scenes, lane_valid=valid))
    assert measure(case, left, STATE).verdict == verdict


def test_a_bug_in_a_metric_is_no_fault_of_the_world(driven, monkeypatch, capsys):
    case, rollout = driven
    monkeypatch.setitem(FAMILIES, "gap", lambda record: 1 / 0)
    runner = SimpleNamespace(num_together=1, run_together=lambda drives: [rollout] * len(drives))
    first, second = run_cases(runner, LaneFollower(), [case, case])
    assert (first.outcome, first.valid) == ("metric_error", False)
    assert first.reason == "the drive could not be measured: ZeroDivisionError: division by zero"
    assert "in <lambda>" in first.details
    assert "metric error: lead_braking seed 0" in capsys.readouterr().err
    assert second.outcome == "metric_error"


def test_what_is_not_known_is_no_zero_and_comes_with_the_worst(driven):
    result = measure(*driven, ValidityConfig())
    assert result.metric("neuroncap_score") == 5.0
    unknown = {**result.metrics, "neuroncap_score": Measurement(value=None, validity=Validity.UNKNOWN, reason="?")}
    unknown_result = replace(result, metrics=unknown)
    assert unknown_result.metric("neuroncap_score") is None
    assert severity(unknown_result) > severity(result)
    assert unknown_result.to_json()["metrics"]["neuroncap_score"]["validity"] == "unknown"


def test_results_survive_json(driven):
    result = measure(*driven, ValidityConfig())
    assert CaseResult.from_json(result.to_json()) == result
    assert [c.name for c in result.criteria] == ["collision", "off_road", "no_progress"]
    assert result.verdict == "PASS"


def test_the_digest_tells_drives_apart_by_a_bit(driven):
    case, rollout = driven
    vehicles = rollout.vehicles.copy()
    vehicles[5, 0] = np.nextafter(vehicles[5, 0], np.inf)
    assert measure(case, rollout).digest == measure(case, replace(rollout)).digest
    assert measure(case, rollout).digest != measure(case, replace(rollout, vehicles=vehicles)).digest
