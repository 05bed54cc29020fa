"""`drivedit validate --world carla` over a bridge: the scenarios, metrics and report of the other worlds."""

import json

import numpy as np
import pytest
from bridge_process import serving
from leaderboard_files import write_route

from drivedit import main
from envs.road.static_scene import load_town_scene
from policies.policy import ConstantPolicy
from scenarios.case_results import run_cases
from scenarios.case_runner import CarlaPlaces, make_case_runner
from scenarios.catalogue import SCENARIOS
from scenarios.validation_config import ValidateConfig

ROAD = ("--world", "road", "--frame-size", "128", "128")


@pytest.fixture(scope="module")
def road():
    with serving(*ROAD) as bridge:
        yield bridge


def run(road, tmp_path, *arguments):
    out = tmp_path / "report"
    command = ["validate", "--world", "carla", "--port", str(road.port), "--out", str(out), "--num-videos", "1"]
    command.append("--point-estimate")  # a few cases show nothing else
    code = main([*command, *arguments])
    report = json.loads((out / "report.json").read_text()) if (out / "report.json").exists() else None
    return code, report, out


@pytest.mark.timeout(600)
def test_a_good_driver_passes(road, tmp_path, capfd):
    arguments = ("--scenarios", "lead_braking", "pedestrian_crossing", "--num-seeds", "2", "--carla-maps", "Town_001")
    code, report, out = run(road, tmp_path, *arguments)
    assert "invalid:" not in capfd.readouterr().err
    outcomes = {(r["scenario"], r["seed"]): r["outcome"] for r in report["results"]}
    assert outcomes == {(name, seed): "passed" for name in ("lead_braking", "pedestrian_crossing") for seed in (0, 1)}
    assert code == 0
    assert (out / "report.html").exists()
    assert list(out.glob("*.mp4"))


@pytest.mark.timeout(600)
def test_a_driver_that_minds_nobody_fails(road):
    runner = make_case_runner("carla", carla=CarlaPlaces(port=road.port, maps=("Town_001",)))
    cases = [SCENARIOS["lead_braking"].draw(seed) for seed in range(2)]
    results = run_cases(runner, ConstantPolicy((0.0, 0.6)), cases)
    runner.close()
    assert all(result.failed for result in results)
    assert "collision" in {result.outcome for result in results}


@pytest.mark.timeout(600)
def test_cases_are_set_on_the_routes_of_a_file(road, tmp_path, capfd):
    road_map = load_town_scene(2).road_map
    lane = load_town_scene(2).spawn_points.lanes[5]
    points = road_map.route_from(lane, 300.0, np.random.default_rng(0)).points[::30]
    path = write_route(tmp_path / "routes.xml", "Town_002", points)
    code, report, _ = run(
        road, tmp_path, "--scenarios", "lead_braking", "--num-seeds", "1", "--carla-routes", str(path)
    )
    assert (code, [r["outcome"] for r in report["results"]]) == (0, ["passed"])
    elsewhere = write_route(tmp_path / "elsewhere.xml", "Town99", points)
    code, _, _ = run(road, tmp_path, "--num-seeds", "1", "--carla-routes", str(elsewhere))
    assert code == 2
    assert "elsewhere.xml, route 7: the server has no map 'Town99'" in capfd.readouterr().err


def test_places_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not both"):
        CarlaPlaces(maps=("Town01",), routes=tmp_path / "a.xml")
    with pytest.raises(ValueError, match="carla_maps are for world 'carla', got them for 'road'"):
        ValidateConfig(world="road", carla_maps=("Town01",))
