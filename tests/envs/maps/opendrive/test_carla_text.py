"""OpenDRIVE for CARLA's parser: it reads what it did not, and the same roads."""

import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from places import ROOT, SHARED_DATA
from small_maps import lane, opendrive, road, section, two_roads

from envs.maps.geometry import Lane, LaneKey
from envs.maps.opendrive.carla_text import carla_opendrive, check_with_carla
from envs.maps.road_map import RoadMap, load_map

carla = pytest.importorskip("carla", reason="compares with the carla package")

CASES = sorted((ROOT / "tests" / "data" / "maps").glob("*.xodr"))
TOWNS = SHARED_DATA / "carla_maps"


def place_on(lane: Lane, xy: np.ndarray) -> tuple[float, float]:
    """Arc length and distance of the nearest place of a lane's centreline."""
    first, step = lane.points[:-1], np.diff(lane.points, axis=0)
    share = np.clip(((xy - first) * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12), 0, 1)
    gaps = np.hypot(*(first + share[:, None] * step - xy).T)
    i = int(gaps.argmin())
    return float(lane.s[i] + share[i] * (lane.s[i + 1] - lane.s[i])), float(gaps[i])


def compare(parsed: "carla.Map", road_map: RoadMap, keys: Sequence[LaneKey], gap: float) -> int:
    """Compare lanes with CARLA's waypoints on them; how many there were."""
    num_compared = 0
    for key in keys:
        own = road_map.lanes[key]
        for s in np.linspace(0.1, 400, 40):
            waypoint = parsed.get_waypoint_xodr(key[0], key[2], float(s))
            if waypoint is None or waypoint.section_id != key[1]:
                continue
            pose = waypoint.transform
            arc, distance = place_on(own, np.array([pose.location.x, -pose.location.y]))
            assert distance < gap, key
            z, yaw, half = (np.interp(arc, own.s, of) for of in (own.z, own.yaw, own.half_width))
            assert pose.location.z == pytest.approx(z, abs=0.02)
            assert abs(np.angle(np.exp(1j * (-np.radians(pose.rotation.yaw) - yaw)))) < np.radians(1.5)
            assert waypoint.lane_width == pytest.approx(2 * half, abs=0.02)
            num_compared += 1
    return num_compared


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_carlas_parser_reads_every_case_with_the_same_lanes(path) -> None:
    road_map = load_map(path)
    parsed = carla.Map("case", carla_opendrive(road_map.xodr))
    if road_map.left_hand:
        return  # it parses; CARLA has traffic keep right
    gap = 1.0 if path.stem == "utm" else 0.02  # CARLA's coordinates are float32
    assert compare(parsed, road_map, sorted(road_map.lanes), gap) > 5 * len(road_map.lanes) / 4


def test_borders_become_widths() -> None:
    inside = '<border sOffset="0" a="-4" b="0.01" c="0" d="0"/>'
    outer = '<border sOffset="0" a="-7" b="0" c="0" d="0"/><border sOffset="60" a="-7" b="-0.02" c="0" d="0"/>'
    text = opendrive(road("1", 100, [section(0, lane(-1, inside=inside), lane(-2, inside=outer))]))
    parsed, own = carla.Map("borders", carla_opendrive(text)), load_map(text)
    for number in (-1, -2):
        for s in (1.0, 42.0, 80.0):
            width = 2 * np.interp(s, own.lanes[(1, 0, number)].s, own.lanes[(1, 0, number)].half_width)
            assert parsed.get_waypoint_xodr(1, number, s).lane_width == pytest.approx(width, abs=1e-3)


def test_an_object_named_like_a_speed_sign_is_renamed() -> None:
    thing = '<object id="1" name="{}" type="obstacle" s="50" t="0" length="3" width="0.5" hdg="0"/>'
    text = two_roads().replace("<objects></objects>", f"<objects>{thing.format('speed_bump_1')}</objects>", 1)
    assert 'name="object_speed_bump_1"' in carla_opendrive(text)
    assert 'name="Speed_30"' in carla_opendrive(text.replace("speed_bump_1", "Speed_30"))
    carla.Map("bump", carla_opendrive(text))


def test_a_text_that_carla_refuses_is_named() -> None:
    for _ in range(2):  # the verdict is remembered, and stays the same
        with pytest.raises(ValueError, match=r"map small cannot be handed to CARLA clients: carla\.Map refused it"):
            check_with_carla("small", "<OpenDRIVE>")


def test_a_text_that_crashes_carlas_parser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr("envs.maps.opendrive.carla_text._CHECK_CODE", code)
    with pytest.raises(ValueError, match=r"crashed the process \(signal 11\)"):
        check_with_carla("small", "<OpenDRIVE>crash</OpenDRIVE>")


@pytest.mark.skipif(not TOWNS.is_dir(), reason="needs the CARLA maps in ../shared/data/carla_maps")
@pytest.mark.parametrize("name", ["Town01", "Town07", pytest.param("Town04", marks=pytest.mark.slow)])
def test_carlas_towns_have_the_lanes_that_carla_says(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Town07 has one light in two controllers
        warnings.filterwarnings("ignore", ".* is already switched by controller")
        road_map = load_map(TOWNS / f"{name}.xodr")
    keys = sorted(road_map.lanes)
    chosen = [keys[i] for i in np.random.default_rng(0).choice(len(keys), 80, replace=False)]
    assert compare(carla.Map(name, road_map.xodr), road_map, chosen, 0.02) > 200
