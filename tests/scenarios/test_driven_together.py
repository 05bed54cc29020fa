"""Cases driven together are, bit for bit, those driven one after the other."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

import scenarios.validate
from policies.pid_follower import PIDFollower
from policies.policy import ConstantPolicy, is_memoryless
from policies.policy_error import PolicyError
from policies.rule_based import LaneFollower
from scenarios.case_results import num_together, run_cases
from scenarios.case_runner import make_case_runner
from scenarios.catalogue import SCENARIOS
from scenarios.driving_process import Death
from scenarios.rollout_files import digest_rollout
from scenarios.start_clips import InvalidStartError
from scenarios.validation_config import ValidateConfig
from worldsim.datatypes.scene import SceneState

CASES = [
    replace(SCENARIOS["traffic"].draw(0), duration=3.0),
    replace(SCENARIOS["lead_braking"].draw(1), duration=2.0),
    replace(SCENARIOS["traffic"].draw(2), duration=3.0),
]
"""The last ones go on when the first is over, and others move by themselves."""


@pytest.fixture(scope="module")
def runner():
    runner = make_case_runner("learned", pixels=False)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def alone(runner):
    """Digest of each case, driven by itself."""
    return [digest_rollout(runner.run(case, LaneFollower())) for case in CASES]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1), (1, 0, 1, 2, 0, 0, 2)])
def test_it_does_not_matter_who_else_is_driven(runner, alone, order):
    shared = LaneFollower()
    together = runner.run_together([(CASES[k], shared) for k in order])
    assert [digest_rollout(rollout) for rollout in together] == [alone[k] for k in order]


def test_policies_that_remember_drive_one_case_each(runner):
    policies = [LaneFollower, PIDFollower, ConstantPolicy]
    alone = [digest_rollout(runner.run(CASES[0], policy())) for policy in policies]
    together = runner.run_together([(CASES[0], policy()) for policy in policies])
    assert [digest_rollout(rollout) for rollout in together] == alone
    assert len(set(alone)) == 3


class Nervous(LaneFollower):
    """Answers with what is no action at the start of the second case, by its speed."""

    memoryless = True

    def act(self, frame, info):
        return self.actions(SceneState.from_vector(info["scene"])[None])[0]

    def actions(self, scenes):
        begins = np.abs(scenes.speed - CASES[1].ego_speed) < 1e-4
        return np.where(begins[:, None], np.nan, super().actions(scenes))


def test_a_policy_that_breaks_breaks_the_drives_where_it_does(runner, alone):
    shared = Nervous()
    for k, outcome in enumerate(runner.run_together([(case, shared) for case in CASES])):
        (by_itself,) = runner.run_together([(CASES[k], Nervous())])
        assert isinstance(outcome, PolicyError) == (k == 1)
        assert str(outcome) == str(by_itself) if k == 1 else digest_rollout(outcome) == alone[k]


def test_a_start_or_a_world_that_breaks_is_none_of_the_others_business(runner, alone, monkeypatch):
    """Cases whose start cannot be had, or whose world breaks in the 6th step."""
    of, step = runner.clips.of, runner.env.world.model.step
    runner.run(CASES[2], ConstantPolicy())
    (broken,) = runner.env.world.snapshot().state.tracked.seeds

    def refuse(case):
        if case.seed == 99:
            raise InvalidStartError("no room")
        return of(case)

    def break_down(state, *args, **kwargs):
        if broken in state.tracked.seeds and max(state.tracked.frames) > 12:
            raise ZeroDivisionError("no way")
        return step(state, *args, **kwargs)

    monkeypatch.setattr(runner.clips, "of", refuse)
    monkeypatch.setattr(runner.env.world.model, "step", break_down)
    cases, results = [*CASES, replace(CASES[0], seed=99)], []
    run_cases(runner, LaneFollower(), cases, lambda result, rollout: results.append((result, rollout)))
    assert [result.seed for result, _ in results] == [0, 1, 2, 99]
    assert [result.outcome for result, _ in results[2:]] == ["world_error", "invalid"]
    assert results[2][0].reason == "the world broke: ZeroDivisionError: no way"
    assert [result.digest for result, _ in results[:2]] == alone[:2]


def test_who_may_be_shared(runner):
    class Witness(LaneFollower):
        def act(self, frame, info):
            return super().act(frame, info)

    assert is_memoryless(LaneFollower())
    assert is_memoryless(Nervous())
    assert not is_memoryless(Witness())  # it may keep something in mind
    assert not is_memoryless(PIDFollower())
    assert num_together(runner, LaneFollower()) > 1 == num_together(runner, Witness())


def test_who_ended_the_process_is_asked_one_by_one(monkeypatch):
    """The first of many that were driven at once is not blamed for what one of them did."""
    ends = iter([Death(how="exit code 7", case=0, filming=False, step=3, doing="in act", together=3), {"done": True}])
    asked = []

    def run_in_process(function, *arguments):
        asked.append(arguments[-1])
        return next(ends)

    monkeypatch.setattr("scenarios.validate.run_in_process", run_in_process)
    assert scenarios.validate._drive_supervised(ValidateConfig(), (), CASES) == {"done": True}
    assert asked == [False, True]
