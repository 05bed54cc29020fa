"""Scenic programs driven in both worlds. Skipped where Scenic is not installed, as beside our own dependencies."""

import random
from pathlib import Path

import numpy as np
import pytest

from envs.maps.map_files import MapFile
from policies.policy import ConstantPolicy
from policies.rule_based import LaneFollower
from scenarios.case_results import CaseResult, run_cases
from scenarios.case_runner import CaseRunner, make_case_runner
from scenarios.openscenario.straight_road import straight_road
from scenarios.scenic.scenario_file import load_program_scenario

pytest.importorskip("scenic")
PROGRAMS = Path(__file__).parents[2] / "data" / "scenic"


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> MapFile:
    path = tmp_path_factory.mktemp("maps") / "straight.xodr"
    path.write_text(straight_road().xodr)
    return MapFile(path=path)


@pytest.fixture(scope="module")
def reference() -> CaseRunner:
    return make_case_runner("road", pixels=False)


def result_of(runner: CaseRunner, program: str, road: MapFile, policy=None, seed: int = 0) -> CaseResult:
    case = load_program_scenario(PROGRAMS / program, (road,)).draw(seed)
    (result,) = run_cases(runner, policy or LaneFollower(), [case])
    return result


def test_a_seed_draws_the_same_scene_always(road):
    scenario = load_program_scenario(PROGRAMS / "lead.scenic", (road,))
    first, other, again = scenario.draw(3), scenario.draw(4), scenario.draw(3)
    assert first == again
    assert first.start_pose != other.start_pose
    assert 12 <= first.parameters["gap"] <= 20
    lead = first.actors.director.opening[0]  # 0.7 s later the ego is where the program has it
    assert lead.s - (first.start_pose[0] + 7.0) == pytest.approx(first.parameters["gap"] + 4.6, abs=1e-6)
    assert (lead.lateral, lead.heading, lead.speed) == pytest.approx((-1.75, 0.0, 10.0), abs=1e-6)


def test_who_brakes_for_the_lead_passes_and_who_does_not_collides(road, reference):
    passed = result_of(reference, "lead.scenic", road)
    failed = result_of(reference, "lead.scenic", road, ConstantPolicy((0.0, 0.4)))
    assert (passed.outcome, failed.outcome) == ("passed", "collision")
    assert passed.seconds == pytest.approx(5.0, abs=0.15)
    assert all(realised.met for realised in passed.realised)


def test_a_drive_is_repeated_to_the_bit_after_others(road, reference):
    first = result_of(reference, "lead.scenic", road, seed=5)
    random.seed(1)
    result_of(reference, "crossing.scenic", road)
    assert result_of(reference, "lead.scenic", road, seed=5).digest == first.digest


def test_the_learned_world_shows_the_same_road_users(road, reference):
    case = load_program_scenario(PROGRAMS / "crossing.scenic", (road,)).draw(0)
    policy = ConstantPolicy((0.0, 0.38))
    drives = [runner.run(case, policy) for runner in (reference, make_case_runner("learned", pixels=False))]
    kinds = [sorted(drive.scenes.object_kinds[-1][drive.scenes.object_valid[-1]]) for drive in drives]
    assert kinds[0] == kinds[1] == [2, 3, 4]
    apart = np.hypot(*(drives[0].vehicles[-1, :2] - drives[1].vehicles[-1, :2]))
    assert apart < 0.3


def test_a_simulation_that_the_program_throws_away_does_not_count(road, reference):
    result = result_of(reference, "requirement.scenic", road)
    assert result.outcome == "invalid"
    assert "simulations that the program keeps" in result.reason


def test_an_ego_that_cannot_be_where_it_is_put_does_not_count(road, reference):
    result = result_of(reference, "too_fast.scenic", road)
    assert result.outcome == "invalid"
    assert "distance of the ego from its place" in result.reason


def test_a_map_on_which_traffic_keeps_to_the_left_is_refused(road, tmp_path):
    left = tmp_path / "left.xodr"
    left.write_text(road.path.read_text().replace('<road rule="RHT"', "<road").replace("<road ", '<road rule="LHT" '))
    with pytest.raises(ValueError, match="traffic keeps to the left on road 1"):
        load_program_scenario(PROGRAMS / "lead.scenic", (MapFile(path=left),))


def test_an_error_of_a_program_names_its_line(road, tmp_path):
    program = tmp_path / "broken.scenic"
    program.write_text("model drivedit.model\n\nego = new Car\nfoo = undefined + 1\n")
    with pytest.raises(ValueError, match=r"broken\.scenic, line 4: name 'undefined'"):
        load_program_scenario(program, (road,))
    program.write_text("model drivedit.model\n\nnew Car at (500 @ -1.75), facing -90 deg\n")
    with pytest.raises(ValueError, match="the program has no ego"):
        load_program_scenario(program, (road,)).draw(0)


def simulate(program: str, road: MapFile, **params):
    from scenic.syntax.translator import scenarioFromFile

    scenario = scenarioFromFile(PROGRAMS / program, params={"map": str(road.path), **params}, mode2D=True)
    random.seed(7)
    np.random.seed(7)
    scene, _ = scenario.generate()
    return scenario.getSimulator().simulate(scene)


@pytest.mark.parametrize(("policy", "verdict"), [("scenic", "FAIL (collision)"), ("lane_follower", "PASS (passed)")])
def test_scenic_itself_simulates_here(road, policy, verdict):
    simulation = simulate("lead.scenic", road, policy=policy)
    assert simulation.result.records["drivedit"].startswith(verdict)
    assert simulation.caseResult.scenario == "scene"
    assert 3 < simulation.result.records["apart"] < 16


def test_an_action_that_these_worlds_do_not_know_is_named(road):
    with pytest.raises(ValueError, match="SetPositionAction and OffsetAction cannot be taken by the ego"):
        simulate("teleport.scenic", road)
