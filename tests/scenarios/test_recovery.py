"""Recovery from a push: the cases, and the comparison of both worlds."""

import math

import numpy as np
import pytest

from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_drives import SIDES, Drive
from scenarios.recovery import LONGEST, SCENARIO, compare_recovery, recovery_content, recovery_rows


def test_the_case_brings_its_push_along() -> None:
    case = SCENARIOS[SCENARIO].draw(3)
    assert case.disturbance is not None
    assert abs(case.disturbance.offset) == 0.5
    assert math.degrees(case.disturbance.heading) == pytest.approx(4.0)
    assert {SCENARIOS[SCENARIO].draw(seed).disturbance.offset for seed in range(9)} == {-0.5, 0.5}  # type: ignore[union-attr]
    assert case.actors.straight > case.ego_speed * case.duration


def test_starts_count_at_which_all_were_pushed_in_both_worlds() -> None:
    cases = [SCENARIOS[SCENARIO].draw(seed) for seed in range(3)]
    times = {
        ("road", "good"): [1.0, 2.0, 3.0],
        ("road", "bad"): [LONGEST, 3.0, LONGEST],
        ("learned", "good"): [1.5, None, 3.0],
        ("learned", "bad"): [LONGEST, 3.0, 4.0],
    }
    drives = {
        (world, planner, SCENARIO, case.seed): Drive(
            world=world, planner=planner, scenario=SCENARIO, seed=case.seed, outcome="passed", progress=9.0, score=1.0,
            recovery_time=time,
        )
        for (world, planner), row in times.items()
        for case, time in zip(cases, row, strict=True)
    }  # fmt: skip
    recovery = compare_recovery(drives, ("good", "bad"), cases)
    assert recovery is not None
    assert recovery.num_starts == 2
    np.testing.assert_allclose([recovery.times[w] for w in SIDES], [[2.0, 5.0], [2.25, 4.5]])
    np.testing.assert_allclose(recovery.ratio, [1.125, 0.9])
    assert recovery_rows(recovery)[1] == ["bad", "5.00 s", "4.50 s", "0%", "50%", "0.90"]
    assert recovery_content(recovery)["planners"]["good"]["recovered"] == {"road": 1.0, "learned": 1.0}
    assert compare_recovery(drives, ("good", "bad"), cases[1:2]) is None


def test_a_drive_that_does_not_count_is_in_no_mean_time() -> None:
    cases = [SCENARIOS[SCENARIO].draw(seed) for seed in range(2)]
    drives = [
        Drive(world=world, planner="good", scenario=SCENARIO, seed=case.seed, outcome=outcome, recovery_time=time)
        for world in SIDES
        for case, outcome, time in zip(cases, ("passed", "invalid"), (1.0, 4.0), strict=True)
    ]
    recovery = compare_recovery({drive.key: drive for drive in drives}, ("good",), cases)
    assert recovery is not None
    assert (recovery.num_starts, recovery.times["road"].tolist()) == (1, [1.0])
