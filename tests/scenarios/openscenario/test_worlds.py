"""Scenario files in the reference world and in the learned one, on the command line, and written from the catalogue."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scenario_files import DATA, event, file_text, place_other, private, speed, teleport, write

from drivedit import main
from envs.learned.learned_world import LearnedWorld
from envs.maps.map_files import MapFile
from envs.road.road_world import RoadWorld
from envs.worlds import WORLDS
from scenarios import fidelity, planner_bench
from scenarios.catalogue import SCENARIOS
from scenarios.fidelity import FidelityConfig
from scenarios.openscenario.export import record_case, why_not_exported, write_case
from scenarios.openscenario.scenario_file import load_scenario
from scenarios.openscenario.straight_road import straight_road
from scenarios.planner_bench import BenchPlannersConfig
from scenarios.scenario import place_on_maps
from scenarios.scenario_choice import load_scenarios, scenario_files
from worldsim.datatypes.scene import SceneState

COAST = np.zeros(4, np.float32)
ON_LANE = '<LanePosition roadId="1" laneId="-1" s="500"/>'
AHEAD = '<RelativeObjectPosition entityRef="ego" dx="30" dy="0"/>'


@pytest.fixture(autouse=True)
def _keep_the_catalogue():
    before = dict(SCENARIOS)
    yield
    SCENARIOS.clear()
    SCENARIOS.update(before)


def boxes(world):
    return world.objects.boxes[:1]


@pytest.fixture
def cut_in():
    return load_scenario(DATA / "passing_cut_in.xosc", ()).draw(0)


def test_the_reference_world_plays_it_and_goes_on_from_bytes(cut_in):
    world = RoadWorld()
    world.reset(0, cut_in.reference_options())
    assert boxes(world)[0, :2] == pytest.approx([506.4, -5.25], abs=1e-6)
    for _ in range(20):
        world.step(COAST)
    again = RoadWorld()
    again.restore(world.codec.unpack(world.codec.pack(world.snapshot())))
    for _ in range(15):
        step, other = world.step(COAST), again.step(COAST)
        assert np.array_equal(world.objects.boxes, again.objects.boxes)
        assert np.array_equal(step.scene.to_vector(), other.scene.to_vector())
    assert boxes(world)[0, 1] == pytest.approx(-1.75, abs=1e-6)
    assert not step.scenario_done
    for _ in range(37):
        step = world.step(COAST)
    assert step.scenario_done


def test_the_learned_world_has_them_in_the_same_places(cut_in, tiny_checkpoint):
    from envs.learned.config import LearnedWorldConfig

    world = RoadWorld(replace(RoadWorld().config, frame_size=(32, 64)))
    world.reset(0, cut_in.reference_options())
    learned = LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=False))
    learned.reset(0, {"start_clip": world.start_clip(pictures=False), "scripted_actors": cut_in.actors})
    for _ in range(40):
        world.step(COAST)
        learned.step(COAST)
        play = learned.snapshot().scripted
        assert play is not None
        assert play.boxes() == pytest.approx(boxes(world), abs=0.05)
    assert play.boxes()[0, 1] == pytest.approx(-1.75, abs=1e-6)
    learned.restore(learned.codec.unpack(learned.codec.pack(learned.snapshot())))


def validate(*arguments, out):
    return main(["validate", "--world", "road", "--num-seeds", "1", "--num-videos", "0", "--out", str(out), *arguments])


def test_validate_drives_a_file_and_its_report_names_it(tmp_path):
    out = tmp_path / "out"
    path = str(DATA / "passing_cut_in.xosc")
    code = validate("--scenarios", path, "--policy", "lane_follower", "--point-estimate", out=out)
    report = json.loads((out / "report.json").read_text())
    assert code == 0
    (result,) = report["results"]
    assert (result["scenario"], result["verdict"]) == ("passing_cut_in", "PASS")
    assert "passing_cut_in.xosc" in report["conditions"]["scenario_files"][0]
    assert "Cut-in from the right" in (out / "report.html").read_text()


def test_what_is_told_of_a_file_changes_with_the_map_beside_it(tmp_path):
    (tmp_path / "own.xodr").write_text(straight_road().xodr)
    start = f'<Private entityRef="ego">{private(teleport(ON_LANE))}</Private>' + place_other(AHEAD)
    beside = '<RoadNetwork><LogicFile filepath="own.xodr"/></RoadNetwork>'
    names = [str(write(tmp_path, file_text(init=start, network=beside)))]

    load_scenarios(names, (), ("road",))
    before = scenario_files(names)
    (tmp_path / "own.xodr").write_text(straight_road().xodr + "<!-- changed -->")
    load_scenarios(names, (), ("road",))

    assert before is not None
    assert " on map own (SHA-256 " in before[0]
    assert scenario_files(names) != before


def test_a_file_is_driven_on_the_map_beside_it_whatever_other_maps_are_given(tmp_path):
    (tmp_path / "long.xodr").write_text(straight_road().xodr)
    start = f'<Private entityRef="ego">{private(teleport(ON_LANE))}</Private>' + place_other(AHEAD)
    beside = '<RoadNetwork><LogicFile filepath="long.xodr"/></RoadNetwork>'
    case = load_scenario(write(tmp_path, file_text(init=start, network=beside)), ()).draw(0)
    assert case.map == MapFile(path=tmp_path / "long.xodr")
    others = [MapFile(path=tmp_path / f"{name}.xodr") for name in ("a", "b")]
    named = [SCENARIOS["cut_in"].draw(seed) for seed in range(3)]
    for maps in ((), others):
        placed = place_on_maps([named[0], case, *named[1:]], maps)
        assert case in placed
        assert len(placed) == 4
    assert [each.map for each in placed] == [others[0], others[0], others[1], case.map]


@pytest.mark.parametrize(
    ("module", "config"),
    [
        (planner_bench, BenchPlannersConfig(planners=("stop",), num_seeds=1)),
        (fidelity, FidelityConfig(num_seeds=1)),
    ],
)
def test_drives_of_a_file_that_has_changed_are_not_gone_on_with(module, config, tmp_path, tiny_checkpoint, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_drive_missing", interrupt)
    run = {planner_bench: planner_bench.bench_planners, fidelity: fidelity.fidelity}[module]
    path = write(tmp_path, file_text(init=place_other(AHEAD)))
    config = replace(config, scenarios=(str(path),), out=tmp_path / "out", checkpoint=tiny_checkpoint)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(config)
    write(tmp_path, file_text(init=place_other(AHEAD, 5.0)))
    with pytest.raises(ValueError, match="another world model, settings or code"):
        run(config)


def test_validate_refuses_what_is_not_there_with_exit_code_2(tmp_path, capsys):
    text = (DATA / "passing_cut_in.xosc").read_text()
    for name, content, why in (
        ("a.xosc", text, "there is no catalogue 'Vehicles'"),
        ("b.xosc", file_text(network='<RoadNetwork><LogicFile filepath="Town99"/></RoadNetwork>',
                             init=place_other('<WorldPosition x="1" y="2"/>')), "--maps FOLDER/Town99.xodr"),
        ("c.xosc", "<OpenSCENARIO>", "c.xosc:1: not well-formed"),
    ):  # fmt: skip
        path = write(tmp_path, content, name)
        assert validate("--scenarios", str(path), out=tmp_path / "out") == 2
        assert why in capsys.readouterr().err
    path = write(tmp_path, file_text(init=place_other(AHEAD)), "cut_in.xosc")
    assert validate("--scenarios", str(path), out=tmp_path / "out") == 2
    assert "already a scenario named 'cut_in'; rename the file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        validate("--scenarios", str(tmp_path / "none.xosc"), out=tmp_path / "out")
    assert "no scenario file at" in capsys.readouterr().err


def test_a_case_of_the_catalogue_is_written_and_read_back_equal(tmp_path):
    env = WORLDS["road"].make(obs="state")
    case = SCENARIOS["pedestrian_crossing"].draw(0)
    written = record_case(env, case)
    (tmp_path / f"{written.map_name}.xodr").write_text("<OpenDRIVE/>")  # of another version
    path = write_case(case, written, tmp_path)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".xodr", ".xosc"]
    from scenariogeneration import xosc

    xosc.ParseOpenScenario(str(path))
    read = record_case(env, load_scenario(path, ()).draw(0))
    steps = len(written.boxes)
    apart = read.boxes[:steps] - written.boxes
    apart[..., 2] = (apart[..., 2] + math.pi) % (2 * math.pi) - math.pi
    assert np.abs(apart).max() < 2e-6
    assert list(read.kinds) == list(written.kinds)
    assert read.vehicle[:3] == pytest.approx(written.vehicle[:3], abs=0.1)
    assert read.vehicle[3] == pytest.approx(written.vehicle[3])
    assert read.waypoints == pytest.approx(written.waypoints, abs=0.1)


def test_what_cannot_be_written_says_why():
    assert "own traffic" in why_not_exported(SCENARIOS["traffic"].draw(0))
    assert "pushed" in why_not_exported(SCENARIOS["lane_recovery"].draw(0))
    assert why_not_exported(SCENARIOS["cut_in"].draw(0)) == ""


def test_lights_are_held_as_the_file_says(tmp_path):
    env = WORLDS["road"].make(obs="state")
    case = SCENARIOS["red_light"].draw(0)
    written = record_case(env, case)
    read = load_scenario(write_case(case, written, tmp_path), ()).draw(0)
    env.reset(seed=0, options=read.reference_options())
    world = env.unwrapped.world
    episode = world.snapshot()
    signals = episode.stage.road_map.signals
    for k in range(math.ceil(case.duration / world.dt)):
        shown = world.snapshot().traffic.lights.shown(world.snapshot().time)
        for index, signal in enumerate(signals):
            if signal.id in written.lights:
                assert shown[index] == written.lights[signal.id][k]
        step = world.step(COAST)
    assert isinstance(step.scene, SceneState)


def test_the_catalogue_is_listed_and_written_by_a_command(tmp_path, capsys):
    assert main(["scenarios", "--scenarios", "cut_in", "traffic"]) == 0
    assert "cut_in" in capsys.readouterr().out
    assert main(["scenarios", "--scenarios", "traffic", "--export", str(tmp_path)]) == 0
    assert "not written: traffic_0: its road users are a town's own traffic" in capsys.readouterr().out


def test_a_file_whose_event_is_for_the_ego_alone_leaves_it_to_the_policy(tmp_path):
    text = file_text(event("e", private(speed(3.0))), actors=("ego",), init=place_other(AHEAD))
    assert load_scenario(write(tmp_path, text), ()).draw(1).ego_speed == 0.0
