"""Start clips are recorded once, starts gone back to, and no picture is made where nobody looks."""

from dataclasses import fields, replace

import numpy as np
import pytest
from straight_world import StraightWorld

from envs.driving_env import DrivingEnv
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.actors import BrakingLead
from scenarios.case_runner import NUM_REMEMBERED, ReferenceCaseRunner, make_case_runner
from scenarios.catalogue import SCENARIOS
from scenarios.films import FilmedDrives, film_again
from scenarios.rollout_files import ARRAYS, digest_rollout, without_pictures
from scenarios.start_clips import InvalidStartError, StartClips


class CountingWorld(StraightWorld):
    resets = 0

    def reset(self, seed, options):
        CountingWorld.resets += 1
        return super().reset(seed, options)


@pytest.fixture
def count(tmp_path, monkeypatch):
    """How often the world was reset since the last time it was asked."""
    monkeypatch.setenv("DRIVEDIT_CACHE", str(tmp_path / "cache"))
    CountingWorld.resets = 0

    def call():
        before, CountingWorld.resets = CountingWorld.resets, 0
        return before

    return call


def supply(pictures: bool = True, made_by: str = "test") -> StartClips:
    return StartClips(lambda: DrivingEnv(CountingWorld()), pictures=pictures, made_by=made_by)


def test_a_clip_is_recorded_once_and_comes_back_to_the_bit(count):
    case = SCENARIOS["lead_braking"].draw(0)
    recorded = supply().of(case)
    assert count() == 1
    cached = supply().of(case)
    assert count() == 0, "a second run must not record"
    for field in fields(recorded):
        ours, theirs = getattr(recorded, field.name), getattr(cached, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    assert recorded.scenes == cached.scenes


def test_whatever_makes_another_clip_is_recorded_anew(count, monkeypatch):
    case = SCENARIOS["lead_braking"].draw(0)
    (script,) = case.actors.scripts
    assert isinstance(script, BrakingLead)
    other_script = replace(script, deceleration=script.deceleration + 0.01)
    supply().of(case)
    count()
    for other in (
        SCENARIOS["lead_braking"].draw(1),
        replace(case, town=case.town + 1),
        replace(case, actors=replace(case.actors, scripts=(other_script,))),
    ):
        supply().of(other)
        assert count() == 1
    supply(pictures=False).of(case)
    assert count() == 1
    supply(made_by="larger frames").of(case)
    assert count() == 1
    monkeypatch.setattr("scenarios.start_clips._digest_of_makers", lambda: "other code")
    supply().of(case)
    assert count() == 1


class Untold:
    """A script that does not say what it was made with."""

    def __init__(self, script):
        self.initial, self.step = script.initial, script.step

    def __repr__(self):
        return "Untold()"


def test_a_clip_whose_scripts_cannot_be_told_apart_is_recorded_every_time(count, monkeypatch):
    case = SCENARIOS["lead_braking"].draw(0)
    untold = replace(case, actors=replace(case.actors, scripts=(Untold(case.actors.scripts[0]),)))
    for _ in range(2):
        supply().of(untold)
        assert count() == 1
    monkeypatch.setattr(BrakingLead, "__module__", "__main__")  # typed into an interpreter
    monkeypatch.delattr("__main__.__file__", raising=False)
    for _ in range(2):
        supply().of(case)
        assert count() == 1


def test_that_there_is_no_start_is_remembered_too(count):
    case = SCENARIOS["lead_braking"].draw(0)
    overlapping = BrakingLead(gap=-3.0, speed=case.ego_speed, brake_at=9.0, deceleration=1.0)
    broken = replace(case, actors=replace(case.actors, scripts=(overlapping,)))
    for expected in (1, 0):
        with pytest.raises(InvalidStartError, match="lead_braking seed 0: the start is in a collision"):
            supply().of(broken)
        assert count() == expected


def test_another_policy_goes_back_to_the_same_start(count):
    runner = ReferenceCaseRunner(DrivingEnv(CountingWorld(), obs="state"))
    case = SCENARIOS["cut_in"].draw(0)
    first = runner.run(case, LaneFollower())
    runner.run(case, ConstantPolicy())
    assert count() == 1
    assert digest_rollout(runner.run(case, LaneFollower())) == digest_rollout(first)
    other = replace(case, ego_speed=case.ego_speed + 1, actors=replace(case.actors, ego_speed=case.ego_speed + 1))
    assert runner.run(other, LaneFollower()).scenes.speed[0] > first.scenes.speed[0] + 0.9, "of the same name only"
    for seed in range(1, NUM_REMEMBERED + 1):
        runner.run(SCENARIOS["cut_in"].draw(seed), LaneFollower())
    count()
    runner.run(case, LaneFollower())
    assert count() == 1, "only the newest are remembered"


def test_a_drive_that_differs_in_anything_has_another_digest():
    drive = ReferenceCaseRunner(DrivingEnv(StraightWorld())).run(SCENARIOS["lead_braking"].draw(0), ConstantPolicy())
    for name in (*ARRAYS, "frames"):
        changed = np.array(getattr(drive, name))
        changed.flat[-1] = not changed.flat[-1] if changed.dtype == bool else changed.flat[-1] + 1
        assert digest_rollout(replace(drive, **{name: changed})) != digest_rollout(drive), name
    told = {field.name for field in fields(drive) if isinstance(getattr(drive, field.name), np.ndarray)}
    assert told == {*ARRAYS, "frames"}


def test_no_picture_is_made_for_a_policy_that_does_not_look(tiny_checkpoint, tmp_path, monkeypatch):
    """In the learned world with a start clip of the reference world; and the drive is the one with pictures."""
    monkeypatch.setenv("DRIVEDIT_CACHE", str(tmp_path / "cache"))
    case = replace(SCENARIOS["lead_braking"].draw(0), duration=0.5)
    shown = make_case_runner("learned", tiny_checkpoint).run(case, LaneFollower())

    def fail(*_, **__):
        raise AssertionError("a picture is made")

    monkeypatch.setattr("envs.road.rendering.camera.Camera.render", fail)
    monkeypatch.setattr("worldsim.frame_decoder.FrameDecoder.draw", fail)
    monkeypatch.setattr("worldsim.frame_decoder.FrameDecoder.step", fail)
    unseen = make_case_runner("learned", tiny_checkpoint, pixels=False).run(case, LaneFollower())
    assert shown.frames.size
    assert not unseen.frames.size
    assert digest_rollout(without_pictures(shown)) == digest_rollout(unseen)


def test_only_the_drive_that_was_judged_is_filmed(tmp_path, capsys):
    from scenarios.case_results import run_cases

    case = SCENARIOS["lead_braking"].draw(0)
    results = run_cases(ReferenceCaseRunner(DrivingEnv(StraightWorld(), obs="state")), ConstantPolicy(), [case])
    runner, by_id = ReferenceCaseRunner(DrivingEnv(StraightWorld())), {case.id: results[0]}
    filmed = FilmedDrives(tmp_path, {})
    film_again(runner, ConstantPolicy((0.0, -0.2)), [case], by_id, tmp_path, filmed)
    assert "not filmed: lead_braking_0: driven again, it went otherwise" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.mp4"))
    film_again(runner, ConstantPolicy(), [case], by_id, tmp_path, filmed)
    assert len(list(tmp_path.rglob("*.mp4"))) == 1
