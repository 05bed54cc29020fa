"""Verdicts: what numbers of failures show, and what cannot pass by accident."""

import pytest

from scenarios.case_results import BROKEN, MEASURING_BROKE, WORLD_BROKE, CaseResult
from scenarios.criteria import Criterion
from scenarios.validation_config import ValidateConfig
from scenarios.verdict import VerdictConfig, decide, decided


def results(passed=0, failed=0, invalid=0, broken=0) -> list[CaseResult]:
    outcomes = ["passed"] * passed + ["collision"] * failed + ["invalid"] * invalid + [BROKEN] * broken
    return [
        CaseResult(scenario="cut_in", seed=seed, parameters={}, outcome=outcome)
        for seed, outcome in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("passed", "failed", "verdict", "code", "num_to_pass"),
    [
        (30, 0, "PASS", 0, 29),  # 1 - 0.05^(1/30) is 9.5 %
        (29, 0, "PASS", 0, 29),
        (28, 0, "INCONCLUSIVE", 4, 29),
        (6, 0, "INCONCLUSIVE", 4, 29),
        (45, 1, "PASS", 0, 46),
        (9, 1, "INCONCLUSIVE", 4, 46),
        (4, 2, "INCONCLUSIVE", 4, 61),  # a third failed, and still 1 - 0.9^6 - 6·0.1·0.9^5 is 11 %
        (3, 3, "FAIL", 1, 76),
        (0, 6, "FAIL", 1, None),
    ],
)
def test_the_bound_against_a_tenth(passed, failed, verdict, code, num_to_pass):
    decision = decide(results(passed, failed), VerdictConfig())
    assert (decision.verdict, decision.exit_code) == (verdict, code)
    assert num_to_pass in (None, decision.num_to_pass)
    if verdict == "INCONCLUSIVE":
        assert f"{num_to_pass} valid cases with {failed} failure" in decision.reasons[0]
    bound = decision.criteria[0]
    which, value = ("lower", decision.lower) if verdict == "FAIL" else ("upper", decision.upper)
    assert bound.name == f"failure rate, 95% {which} bound"
    assert bound.margin == pytest.approx(0.1 - value)
    assert bound.met == (verdict == "PASS")


def test_the_point_estimate_is_there_for_who_asks():
    config = VerdictConfig(method="point estimate")
    assert decide(results(6), config).verdict == "PASS"
    assert decide(results(9, 1), config).verdict == "PASS"
    assert decide(results(8, 1), config).verdict == "FAIL"
    assert decide(results(6), VerdictConfig(method="point estimate", max_failure_rate=0.0)).verdict == "PASS"
    with pytest.raises(ValueError, match="no number of cases shows a max_failure_rate of 0"):
        VerdictConfig(max_failure_rate=0.0)


def test_invalid_cases_never_count_as_passed():
    """They make no n; too many of them let nothing pass; none but them is no verdict at all."""
    assert decide(results(20, invalid=10), VerdictConfig()).num_valid == 20
    few = decide(results(40, invalid=4), VerdictConfig())
    assert few.verdict == "PASS"
    assert few.upper_with_invalid > 0.1 > few.upper
    many = decide(results(40, invalid=5), VerdictConfig())
    assert (many.verdict, many.exit_code) == ("INCONCLUSIVE", 4)
    assert "5 of 45 cases are invalid, more than 10%" in many.reasons
    none = decide(results(invalid=3), VerdictConfig(method="point estimate"))
    assert (none.verdict, none.exit_code) == ("INVALID", 4)
    assert decide([], VerdictConfig()).exit_code == 4
    assert decide(results(0, 9, invalid=9), VerdictConfig()).verdict == "FAIL"


def test_a_broken_policy_has_an_exit_code_of_its_own():
    decision = decide(results(200, broken=1), VerdictConfig())
    assert (decision.verdict, decision.exit_code, decision.broken) == ("FAIL", 3, True)
    assert "the policy broke in 1 of 201 cases, first in cut_in_200" in decision.reasons[0]


@pytest.mark.parametrize("outcome", [WORLD_BROKE, MEASURING_BROKE])
def test_a_broken_world_or_metric_lets_nothing_pass(outcome):
    world_broke = CaseResult(scenario="cut_in", seed=99, parameters={}, outcome=outcome)
    decision = decide([*results(90), world_broke], VerdictConfig())
    assert (decision.verdict, decision.exit_code) == ("INCONCLUSIVE", 3)
    assert "1 of 91 cases broke by no fault of the policy, first cut_in_99" in decision.reasons[0]
    assert decision.num_valid == 90


def test_cases_that_were_not_driven_leave_it_open():
    assert decide(results(100), VerdictConfig(), num_undriven=1).verdict == "INCONCLUSIVE"
    assert decide(results(0, 9), VerdictConfig(), num_undriven=1).verdict == "FAIL"


def test_regressions_fail_where_they_are_limited():
    def verdict(limit):
        return decide(results(100, 1), VerdictConfig(max_regressions=limit), num_regressions=1).verdict

    assert (verdict(None), verdict(1), verdict(0)) == ("PASS", "PASS", "FAIL")


def test_the_sequential_test_stops_early_and_needs_more_where_nothing_fails():
    config = VerdictConfig(method="sequential")
    assert not decided(results(35), config)
    assert decided(results(36), config)
    assert decide(results(36), config, num_undriven=9).verdict == "PASS"
    assert decide(results(30), config).num_to_pass == 36
    assert decided(results(0, 2), config)
    assert decide(results(0, 2), config).verdict == "FAIL"


def test_criteria_have_margins():
    at_least = Criterion(name="progress", value=9.0, bound="at least", threshold=10.0, unit="m")
    assert (at_least.margin, at_least.met) == (-1.0, False)
    assert str(at_least) == "progress 9 m, at least 10 m (margin -1)"
    assert Criterion(name="collision", value=0.5, bound="at most", threshold=0.5).met
    assert not Criterion(name="collision", value=float("nan"), bound="at most", threshold=0.5).met


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"shard": "3/2"}, "shard must be i/n with 1 <= i <= n, as 1/4, got '3/2'"),
        ({"shard": "1/2", "sequential": True}, "shard 1/2 cannot go with --sequential"),
        ({"point_estimate": True, "sequential": True}, "point_estimate or sequential, not both"),
        ({"max_regressions": 0}, "max_regressions=0 needs a baseline"),
        ({"expect": "ab"}, "expect is for a single case, got 30"),
        ({"budget": 0.0}, "budget must be above 0 s, got 0.0"),
        ({"min_trust": 2.0}, r"min_trust must be in \[0, 1\], got 2.0"),
        ({"max_invalid_rate": -1.0}, r"max_invalid_rate must be in \[0, 1\], got -1.0"),
        ({"scenarios": ("cut_in", "cut_in")}, "each scenario once, got cut_in, cut_in"),
    ],
)
def test_options_that_cannot_be_are_refused(options, why):
    with pytest.raises(ValueError, match=why):
        ValidateConfig(**options)
