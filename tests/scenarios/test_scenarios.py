"""Scenarios and the runner: constructed scenes and a straight road with known answers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from envs.driving_env import DrivingEnv
from envs.ground_truth import Objects, scene_from_truth
from envs.world import WorldStep
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.actors import BrakingLead, CrossingPedestrian, CutIn
from scenarios.case_results import run_cases
from scenarios.case_runner import LearnedCaseRunner, ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS, cut_in_is_avoidable, scenarios_tagged
from scenarios.scenario import CONTEXT
from scenarios.validate import ValidateConfig, validate
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()


class StraightRoute:
    """1 km along x."""

    length = 1000.0
    points = np.stack([np.arange(1001.0), np.zeros(1001)], axis=-1)
    yaw = np.zeros(1001)
    half_width = np.full(1001, 1.75)
    speed_limit = np.full(1001, 14.0)
    command = np.zeros(1001, np.int64)

    def project(self, xy, hint_s=None):
        return float(xy[0]), float(xy[1]), 0.0


class StraightWorld:
    """One straight lane and the scripted actors of a case, with exact truth and grey frames."""

    frame_size = (32, 32)
    dt = 0.1
    num_context = 8

    def reset(self, seed, options):
        self.route, self.past, self.time = StraightRoute(), [], -(self.num_context - 1) * self.dt
        if "start_clip" in options:
            clip = options["start_clip"]
            self.vehicle, self.actors, self.scripts = clip.vehicles[-1].copy(), [], ()
            self.past = [(clip.frames[i], clip.vehicles[i], clip.scenes[i]) for i in range(len(clip.frames))]
            return self.answer(0.0)
        scenario = options["scripted_actors"]
        self.vehicle = np.array([50.0, 0, 0, scenario.ego_speed, 0, 0])
        self.scripts = scenario.scripts
        self.actors = [script.initial(self.route, 50.0) for script in self.scripts]
        step = self.answer(0.0)
        hold = MODEL.acceleration_command(0.0, scenario.ego_speed)
        while self.time < -1e-9:
            step = self.step(np.array([0, hold, 0, 0], np.float32))
        return step

    def step(self, control):
        ego = SimpleNamespace(s=self.vehicle[0], lateral=self.vehicle[1], speed=self.vehicle[3])
        self.actors = [sc.step(self.time, ego, a, self.dt) for sc, a in zip(self.scripts, self.actors, strict=True)]
        before = self.vehicle[0]
        self.vehicle = MODEL.step(self.vehicle, control, self.dt)
        self.time += self.dt
        return self.answer(float(self.vehicle[0] - before))

    def answer(self, progress):
        rows = [[a.s, a.lateral, a.heading, a.length, a.width] for a in self.actors]
        objects = Objects(
            boxes=np.array(rows).reshape(-1, 5),
            speeds=np.array([a.speed for a in self.actors], np.float64),
            kinds=np.array([a.kind for a in self.actors], np.int64),
        )
        scene = scene_from_truth(vehicle=self.vehicle, model=MODEL, route=self.route, objects=objects)
        frame = np.full((32, 32, 3), 128, np.uint8)
        self.past = [*self.past, (frame, self.vehicle, scene)][-self.num_context :]
        hit = scene.object_valid & (np.abs(scene.objects[:, 1]) < (1.9 + scene.objects[:, 5]) / 2)
        hit &= np.abs(scene.objects[:, 0]) < (4.6 + scene.objects[:, 4]) / 2
        return WorldStep(
            scene=scene,
            vehicle=self.vehicle,
            collision=float(hit.any()),
            off_road=float(abs(self.vehicle[1]) > 1.75),
            wrong_way=False,
            progress=progress,
            info={},
        )

    def frame(self):
        return self.past[-1][0]

    def start_clip(self, *, pictures=True):
        frames, vehicles, scenes = zip(*self.past, strict=True)
        return StartClip(
            frames=np.stack(frames),
            controls=np.zeros((len(frames) - 1, 4), np.float32),
            vehicles=np.stack(vehicles),
            scenes=SceneState.stack(scenes),
            route=np.zeros((2, 2), np.float32),
            dt=self.dt,
        )

    def snapshot(self):
        raise NotImplementedError

    def restore(self, snapshot):
        raise NotImplementedError

    def close(self):
        pass


def run(policy, name, seeds):
    return run_cases(ReferenceCaseRunner(DrivingEnv(StraightWorld())), policy, [SCENARIOS[name].draw(s) for s in seeds])


SCRIPTED = scenarios_tagged("scripted")


@pytest.mark.parametrize("name", SCRIPTED)
def test_lane_follower_passes_where_a_blind_driver_collides(name):
    assert [r.outcome for r in run(LaneFollower(), name, range(6))] == ["passed"] * 6
    blind = run(ConstantPolicy((0.0, 0.45)), name, range(6))
    assert sum(r.outcome == "collision" for r in blind) >= 4
    assert all(r.impact_speed > 0 and r.collision_score < 4 for r in blind if r.outcome == "collision")


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


def test_both_worlds_start_a_case_from_the_same_moment():
    starts = []

    class Witness(LaneFollower):
        def reset(self, env, seed):
            starts.append(env.start_clip())

    case = SCENARIOS["lead_braking"].draw(0)
    reference = ReferenceCaseRunner(DrivingEnv(StraightWorld()))
    learned = LearnedCaseRunner(DrivingEnv(StraightWorld()), DrivingEnv(StraightWorld()))
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
    states = play(CutIn(gap=10.0, speed=8.0, offset=-3.5, start_at=0.0, lateral_speed=1.0), 5.0)
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
    arrival = case.parameters["time to arrival [s]"] - 0.5
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
    runner = ReferenceCaseRunner(DrivingEnv(StraightWorld()))
    monkeypatch.setattr("scenarios.validate.make_case_runner", lambda world, checkpoint, device, carla: runner)
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
    films = sorted(film.relative_to(tmp_path / "out").as_posix() for film in (tmp_path / "out").rglob("*.mp4"))
    if exit_code:
        assert films == [f"failures/lead_braking_{seed}/film.mp4" for seed in range(3)]
    else:
        assert len(films) == 1
    assert "data:video/mp4" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_validate_config_names_the_bad_value():
    with pytest.raises(ValueError, match=r"max_failure_rate must be in \[0, 1\], got 2"):
        ValidateConfig(max_failure_rate=2.0)
