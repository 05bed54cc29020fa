"""Towns as XML: what a reader of OpenDRIVE may rely on, and ASAM's own opinion where its checker is installed."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache

import numpy as np
import pytest

from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import load_map
from envs.maps.tools.asam_checker import run_asam_checker
from envs.maps.towns.procedural_towns import town_xodr
from worldsim.datatypes.boxes import wrap_angle

SEEDS = range(8)
LIGHT, STOP, YIELD, SPEED = "1000001", "206", "205", "274"


@cache
def town(seed: int) -> ET.Element:
    return ET.fromstring(town_xodr(seed))


def signals(root: ET.Element, kind: str) -> list[ET.Element]:
    return [s for s in root.iter("signal") if s.get("type") == kind]


def junction_ends(root: ET.Element) -> dict[str, list[tuple[str, bool]]]:
    """(road, whether its start) of each leg by junction id."""
    ends: dict[str, list[tuple[str, bool]]] = {}
    for road in root.iter("road"):
        if road.get("junction") == "-1":
            for name in ("predecessor", "successor"):
                link = road.find(f"link/{name}")
                assert link is not None
                ends.setdefault(link.get("elementId", ""), []).append((road.get("id", ""), name == "predecessor"))
    return ends


def controlled_ends(root: ET.Element, kinds: tuple[str, ...]) -> set[tuple[str, bool]]:
    """(road, whether its start) of each end of a street with one of these signals for those who come to it."""
    return {
        (road.get("id", ""), signal.get("orientation") == "-")
        for road in root.iter("road")
        for signal in road.iter("signal")
        if signal.get("type") in kinds
    }


def test_equal_in_another_process():
    code = "from envs.maps.towns.procedural_towns import town_xodr; import sys; sys.stdout.write(town_xodr(5))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there == town_xodr(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_version_profiles_and_ids(seed: int):
    root = town(seed)
    header = root.find("header")
    assert header is not None
    assert (header.get("revMajor"), header.get("revMinor")) == ("1", "7")
    assert not header.attrib.keys() & {"date", "north", "south", "east", "west"}
    for profile in ("elevationProfile", "lateralProfile"):
        assert all(len(element) for element in root.iter(profile)), "an empty profile is against the schema of 1.5"
    for tag in ("road", "junction", "signal", "object"):
        ids = [element.get("id") for element in root.iter(tag)]
        assert len(ids) == len(set(ids)), tag
    controllers = [element.get("id") for element in root.findall("controller")]
    assert len(controllers) == len(set(controllers))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_light_has_one_controller_and_opposing_lights_share_it(seed: int):
    root = town(seed)
    lights = {s.get("id") for s in signals(root, LIGHT)}
    of_light = {c.get("signalId"): g.get("id") for g in root.findall("controller") for c in g.findall("control")}
    assert lights
    assert of_light.keys() == lights
    referenced = Counter(c.get("id") for c in root.findall("junction/controller"))
    assert referenced == Counter({g.get("id"): 1 for g in root.findall("controller")})
    controllers_of = {j.get("id"): [c.get("id") for c in j.findall("controller")] for j in root.findall("junction")}
    for junction, legs in junction_ends(root).items():
        groups = Counter(
            of_light[s.get("id")]
            for road, at_start in legs
            for r in root.iter("road")
            if r.get("id") == road
            for s in signals(r, LIGHT)
            if (s.get("orientation") == "-") == at_start
        )
        assert set(groups) == set(controllers_of[junction])
        assert sorted(groups.values()) in ([], [1, 2], [2, 2]), "opposing approaches switch together"


@pytest.mark.parametrize("seed", SEEDS)
def test_junctions_have_lights_everywhere_or_signs_on_the_minor_street(seed: int):
    root = town(seed)
    lit, minor, major = (controlled_ends(root, kinds) for kinds in ((LIGHT,), (STOP, YIELD), ("306",)))
    kinds = Counter()
    for legs in junction_ends(root).values():
        if lit & set(legs):
            assert lit >= set(legs)
            assert not (minor | major) & set(legs)
            kinds["lights"] += 1
        else:
            assert len(major & set(legs)) == 2
            assert len(minor & set(legs)) == len(legs) - 2
            kinds["signs"] += 1
    assert min(kinds["lights"], kinds["signs"]) >= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_stop_lines_and_crosswalks_lie_where_the_signals_count(seed: int):
    root = town(seed)
    for road in root.iter("road"):
        stops = sorted(float(s.get("s", 0)) for kind in (LIGHT, STOP) for s in signals(road, kind))
        lines = sorted(float(o.get("s", 0)) for o in road.iter("object") if o.get("name") == "StopLine")
        assert lines == stops
        assert sum(o.get("type") == "crosswalk" for o in road.iter("object")) == len(signals(road, LIGHT))
        for signal in road.iter("signal"):
            validity = signal.find("validity")
            assert validity is not None
            side = 1 if signal.get("orientation") == "-" else -1
            assert all(side * int(validity.get(name, 0)) > 0 for name in ("fromLane", "toLane"))
            assert side * float(signal.get("t", 0)) > 3.25, "beside the lanes that it counts for"


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_end_at_the_stop_line_of_a_light(seed: int):
    root = town(seed)
    lit = controlled_ends(root, (LIGHT,))
    for road in root.iter("road"):
        if road.get("junction") != "-1":
            continue
        for lane in road.iterfind("lanes/laneSection//lane"):
            marks = [(float(mark.get("sOffset", 0)), mark.get("type")) for mark in lane.findall("roadMark")]
            if not marks:
                continue
            assert marks == sorted(marks, key=lambda mark: mark[0])
            assert marks[0][0] == 0
            assert (marks[0] == (0, "none")) == ((road.get("id"), True) in lit)
            assert (marks[-1][1] == "none") == ((road.get("id"), False) in lit)


def test_speed_signs_tell_the_limit_of_the_road_behind_them():
    changes = 0
    for seed in SEEDS:
        for road in town(seed).iter("road"):
            limits = [
                (float(entry.get("s", 0)), float(speed.get("max", 0)))
                for entry in road.findall("type")
                for speed in entry.findall("speed")
            ]
            changes += len(limits) > 1
            for sign in signals(road, SPEED):
                ahead = float(sign.get("s", 0)) + (0.01 if sign.get("orientation") == "+" else -0.01)
                assert float(sign.get("value", 0)) == [limit for s, limit in limits if s <= ahead][-1]
                assert sign.get("unit") == "km/h"
    assert changes, "some streets change their limit on the way"


def test_centre_lines_come_in_both_colours_broken_and_solid():
    marks = {
        (mark.get("color"), mark.get("type"))
        for seed in SEEDS
        for road in town(seed).iter("road")
        if road.get("junction") == "-1"
        for mark in road.iterfind("lanes/laneSection/center/lane/roadMark")
    }
    assert {("yellow", "broken"), ("white", "broken"), ("yellow", "solid")} <= marks
    assert any(kind == "solid solid" for _, kind in marks)


def test_carla_reads_signals_and_crosswalks_where_they_were_written():
    carla = pytest.importorskip("carla")
    carla_map = carla.Map("town", town_xodr(0))
    landmarks = {mark.id: mark for mark in carla_map.get_all_landmarks()}
    written = {signal.get("id"): signal for signal in town(0).iter("signal")}
    assert landmarks.keys() == written.keys()
    for name, signal in written.items():
        position = signal.find("positionInertial")
        assert position is not None
        place = landmarks[name].transform.location
        assert place.x == pytest.approx(float(position.get("x", 0)), abs=0.01)
        assert -place.y == pytest.approx(float(position.get("y", 0)), abs=0.01)
    num_crosswalks = sum(o.get("type") == "crosswalk" for o in town(0).iter("object"))
    assert len(carla_map.get_crosswalks()) == 5 * num_crosswalks


def test_the_map_reader_stops_each_approach_at_its_line_and_sees_the_light_beyond():
    for seed in SEEDS[:3]:
        road_map = load_map(town_xodr(seed))
        lights = [signal for signal in road_map.signals if signal.kind == SignalType.TRAFFIC_LIGHT]
        assert len(lights) == len(signals(town(seed), LIGHT))
        for light in lights:
            assert light.controller
            assert light.stops
            for key, at in light.stops:
                lane = road_map.lanes[key]
                assert lane.length - at == pytest.approx(5.2, abs=0.9)
                assert lane.junction == -1
                x, y = (np.interp(at, lane.s, lane.points[:, k]) for k in range(2))
                ahead = np.array([np.cos(lane.yaw[-1]), np.sin(lane.yaw[-1])]) @ (light.x - x, light.y - y)
                assert ahead == pytest.approx(4.7, abs=0.9), "behind the crosswalk"
                assert abs(wrap_angle(light.yaw - lane.yaw[-1] - np.pi)) < 0.1, "its face looks at who waits"
        assert len(road_map.geometry.crosswalks) == len(lights)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_asam_checker_finds_nothing(seed: int, tmp_path):
    path = tmp_path / f"town_{seed}.xodr"
    path.write_text(town_xodr(seed))
    report = run_asam_checker(path)
    if report is None:
        pytest.skip("qc_opendrive is not installed")
    assert report.findings == ()
    assert len(report.skipped) <= 1, "one rule is for OpenDRIVE 1.8 and later"
