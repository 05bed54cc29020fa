"""Scenarios and the runner: constructed scenes and a straight road with known answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.actors import BrakingLead, CrossingPedestrian, LaneChange
from scenarios.case_results import run_cases
from scenarios.case_runner import LearnedCaseRunner, ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS, scenarios_tagged
from scenarios.catalogue.lane_changes import cut_in_is_avoidable
from scenarios.scenario import CONTEXT
from scenarios.start_clips import StartClips
from scenarios.validate import validate
from scenarios.validation_config import ValidateConfig
from worldsim.datatypes.scene import ObjectKind


def run(policy, name, seeds):
    return run_cases(ReferenceCaseRunner(DrivingEnv(StraightWorld())), policy, [SCENARIOS[name].draw(s) for s in seeds])


SCRIPTED = [
    name
    for name in scenarios_tagged("scripted")
    if SCENARIOS[name].draw(0).actors.junction is None and name != "narrow_passage"  # which StraightWorld does not have
]


@pytest.mark.parametrize("name", SCRIPTED)
def test_lane_follower_passes_where_a_blind_driver_collides(name):
    assert [r.outcome for r in run(LaneFollower(), name, range(6))] == ["passed"] * 6
    blind = run(ConstantPolicy((0.0, 0.45)), name, range(6))
    assert sum(r.outcome == "collision" for r in blind) >= 4
    assert all(r.impact_speed > 0 and r.metric("neuroncap_score") < 4 for r in blind if r.outcome == "collision")


def test_a_drive_without_pixels_is_the_same_drive():
    """In traffic, on an empty road; frames are the only thing missing."""
    case = SCENARIOS["traffic"].draw(0)
    with_frames, without_frames = (
        ReferenceCaseRunner(DrivingEnv(StraightWorld(), obs=obs)).run(case, LaneFollower())
        for obs in ("pixels", "state")
    )
    assert with_frames.scenes == without_frames.scenes
    assert np.array_equal(with_frames.actions, without_frames.actions)
    assert with_frames.num_steps == 100
    assert with_frames.frames.shape == (101, 32, 32, 3)
    assert without_frames.frames.shape == (101, 0, 0, 3)


def test_standing_still_is_no_way_to_pass():
    assert {r.outcome for r in run(ConstantPolicy((0.0, -1.0)), "cut_in", range(4))} == {"no_progress"}


def test_both_worlds_start_a_case_from_the_same_moment(monkeypatch):
    monkeypatch.setenv("DRIVEDIT_CACHE", "off")
    starts = []

    class Witness(LaneFollower):
        def reset(self, env, seed):
            starts.append(env.start_clip())

    case = SCENARIOS["lead_braking"].draw(0)
    reference = ReferenceCaseRunner(DrivingEnv(StraightWorld()))
    clips = StartClips(lambda: DrivingEnv(StraightWorld()), pictures=True, made_by="straight world")
    learned = LearnedCaseRunner(DrivingEnv(StraightWorld()), clips)
    for runner in (reference, learned):
        runner.run(case, Witness())
    np.testing.assert_array_equal(starts[0].vehicles[-1], starts[1].vehicles[-1])
    assert starts[0].vehicles[-1, 3] == pytest.approx(case.ego_speed, abs=0.3)


def test_a_start_in_a_collision_is_invalid_and_counts_neither_way():
    case = SCENARIOS["lead_braking"].draw(0)
    overlapping = BrakingLead(gap=-3.0, speed=case.ego_speed, brake_at=9.0, deceleration=1.0)
    broken = replace(case, actors=replace(case.actors, scripts=(overlapping,)))
    (result,) = run_cases(ReferenceCaseRunner(DrivingEnv(StraightWorld())), LaneFollower(), [broken])
    assert (result.outcome, result.valid, result.failed) == ("invalid", False, False)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_cases_are_a_function_of_the_seed(name):
    draw = SCENARIOS[name].draw
    assert draw(7) == draw(7)
    assert draw(7).parameters != draw(8).parameters


def play(script, seconds, dt=0.1):
    state = script.initial(None, 0.0)
    states = [state]
    for i in range(round((CONTEXT + seconds) / dt)):
        state = script.step(-CONTEXT + i * dt, None, state, dt)
        states.append(state)
    return states


def test_braking_lead_stops_after_its_braking_distance():
    states = play(BrakingLead(gap=20.0, speed=12.0, brake_at=0.0, deceleration=6.0), 5.0)
    assert states[-1].speed == 0.0
    assert states[-1].s - states[0].s == pytest.approx(12 * CONTEXT + 12**2 / (2 * 6.0), abs=0.02)
    assert [s.braking for s in states[:8]] == [False] * 8
    assert states[8].braking


def test_cut_in_ends_in_the_middle_of_the_lane_without_overshooting():
    states = play(LaneChange(gap=10.0, speed=8.0, offset=-3.5, start_at=0.0, lateral_speed=1.0), 5.0)
    lateral = np.array([s.lateral for s in states])
    assert lateral[7] == -3.5
    assert lateral[7 + 20] == pytest.approx(-1.5)
    assert lateral[-1] == 0.0
    assert (np.diff(lateral) >= 0).all()
    assert states[-1].heading == 0.0


def test_pedestrian_meets_an_ego_that_does_not_brake():
    case = SCENARIOS["pedestrian_crossing"].draw(3)
    (walker,) = case.actors.scripts
    assert isinstance(walker, CrossingPedestrian)
    arrival = case.parameters["time to arrival"] - 0.5
    state = play(walker, arrival)[-1]
    assert state.kind == ObjectKind.PEDESTRIAN
    assert state.lateral == pytest.approx(0.0, abs=0.2)
    ego_front = case.ego_speed * (CONTEXT + arrival)
    assert walker.distance == pytest.approx(ego_front, abs=0.1 * case.ego_speed)


def test_cut_in_avoidability_boundary():
    closing, lateral = 5.0, 1.0  # intrusion after (3.5 - 0.95 - 1.75 + 0.3) / 1.0 = 1.1 s
    boundary = 5.0 * 1.1 + 5.0 * (5.0 / 12.0 + 0.35)
    assert cut_in_is_avoidable(gap=boundary + 0.01, closing_speed=closing, lateral_speed=lateral)
    assert not cut_in_is_avoidable(gap=boundary - 0.01, closing_speed=closing, lateral_speed=lateral)


@pytest.mark.parametrize(("policy", "exit_code"), [("lane_follower", 0), ("constant", 1)])
def test_validate_reports_and_returns_its_exit_code(policy, exit_code, tmp_path, monkeypatch, capsys):
    runners = {
        pixels: ReferenceCaseRunner(DrivingEnv(StraightWorld(), obs="pixels" if pixels else "state"))
        for pixels in (False, True)
    }
    monkeypatch.setattr("scenarios.validate.make_case_runner", lambda *_, pixels: runners[pixels])
    config = ValidateConfig(
        policy=policy,
        world="road",
        scenarios=("lead_braking",),
        num_seeds=3,
        num_videos=1,
        max_failure_rate=0.65 if policy == "lane_follower" else 0.1,  # 0 of 3 show at most 63 %
        out=tmp_path / "out",
    )
    assert validate(config) == exit_code
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"] == ("PASS" if exit_code == 0 else "FAIL")
    assert [r["seed"] for r in report["results"]] == [0, 1, 2]
    assert report["summaries"][-1]["num_failed"] == sum(r["outcome"] != "passed" for r in report["results"])
    assert "lead_braking" in capsys.readouterr().out
    films = {film.relative_to(tmp_path / "out").as_posix() for film in (tmp_path / "out").rglob("*.mp4")}
    failed = {f"failures/{r['id']}/film.mp4" for r in report["results"] if r["verdict"] == "FAIL"}
    assert len(failed) == (0 if policy == "lane_follower" else 2)
    assert len(films - failed) == 1, "the worst drive that did not fail"
    assert failed <= films
    assert "data:video/mp4" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_validate_config_names_the_bad_value():
    with pytest.raises(ValueError, match=r"max_failure_rate must be in \[0, 1\], got 2"):
        ValidateConfig(max_failure_rate=2.0)
