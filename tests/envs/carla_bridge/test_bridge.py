"""The bridge as CARLA users' scripts see it: each runs unchanged, with the real client, in a process of its own."""

import itertools
import json

import numpy as np
import pytest
from bridge_process import SMALL_ROAD, free_port, run_client, serving

from envs.carla.versions import LAYOUTS, layout_of
from envs.carla_bridge.serve import ServeConfig
from envs.maps.opendrive.signals import SignalType
from envs.road.static_scene import load_town_scene
from worldsim.datatypes.layout import BoxColumn, LayoutKind


@pytest.fixture(scope="module")
def road():
    with serving(*SMALL_ROAD) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def learned():
    with serving("--world", "learned") as bridge:
        yield bridge


def test_a_synchronous_recorder_gets_every_reading_of_every_frame(road):
    found = json.loads(run_client("recorder.py", road.port, "40"))
    assert found["versions"] == ["0.9.16", "0.9.16"]
    assert set(found["rises"]) == {1}
    assert found["misses"] == 0
    assert found["worst_imu"] < 1e-3
    assert found["worst_gnss"] < 1e-6
    assert found["worst_motion"] < 0.1
    assert found["shapes"] == {
        "front": [64, 96, 3],
        "wide": [40, 200, 3],
        "left": [64, 64, 3],
        "chase": [64, 64, 3],
    }
    assert min(found["spread"].values()) > 5
    assert 0 < found["sun_altitude"] < 90
    assert found["sun_altitude"] != 15.0  # WetSunset's, which was asked for and is not in the pictures
    assert found["vehicles"] >= 1
    assert found["sensors"] == 8
    assert found["invasions"] >= 1  # it steers off its lane in the end
    assert found["control"] == pytest.approx([0.9, -0.6], abs=1e-3)
    assert found["on_road"]
    assert 20 <= found["speed_limit"] <= 130


def test_what_the_road_world_cannot_do_is_refused(road):
    found = json.loads(run_client("refusals.py", road.port, "0.05"))
    assert found["step"] == ""  # it can take another step while it has no ego
    assert_refused(found)
    assert "not on a driving lane" in found["off_lane"]
    assert "do not roll" in found["camera"]


def assert_refused(found):
    """What no bridge can do, and what every batch answers."""
    assert "not found" in found["no_blueprint"]
    assert "cannot be the ego by role_name 'hero': this world has one" in found["second_ego"]
    assert "(vehicle.nissan.patrol) by role_name 'hero', and its client is still there" in found["second_ego"]
    for key in ("occupied", "walker"):
        assert found[key].startswith("Spawn failed because of collision at spawn position: actor ")
        assert found[key].endswith("(vehicle.nissan.patrol) is there")
    first, second, third = found["batch"]
    assert first == found["occupied"]
    assert second == "unable to destroy actor: not found"
    assert third == ""
    assert found["throttle"] == pytest.approx(0.5)
    assert found["light"] == 8
    assert "must be attached to the ego" in found["free_camera"]
    ((failed, why),) = found["then"]
    assert failed
    assert why.startswith("not spawned, since ApplyTorque, to be done then, is refused: ")
    assert "the ego moves by its controls alone" in found["no_physics"]
    assert "map 'Town99' not found" in found["map"]
    assert not found["teleported"]
    assert found["spectator"] == pytest.approx(40.0)
    assert found["destroyed"] == ""
    assert found["left"] == ["spectator"]


def test_a_client_moves_actors_of_its_own(road):
    """A car comes towards the standing ego until it touches it; a walker crosses."""
    found = json.loads(run_client("actors.py", road.port, "26"))
    assert found["alone"] == ["vehicle.nissan.patrol"]  # without the world's own traffic
    assert found["kinds"] == ["vehicle.tesla.model3", "walker.pedestrian.0001"]
    assert found["extents"] == pytest.approx([2.3, 0.25])
    assert "collision at spawn position" in found["occupied"]
    assert found["worst"] < 1e-3
    assert found["speeds"] == pytest.approx([5.0, 5.0], abs=0.01)
    assert found["rises"] == [1]
    assert found["seen"] > 20
    assert found["hit_the_car"]
    assert found["launched"] == pytest.approx(8.0, abs=0.3)
    assert found["destroyed"] == [True, False]
    assert found["left"] == ["spectator", "vehicle.nissan.patrol", "vehicle.tesla.model3"]
    assert found["end"] == ["spectator"]


def test_manual_control_drives_and_changes_the_map(road):
    found = json.loads(run_client("manual_control.py", road.port, "Town_001"))
    assert found["speed"] > 0.5
    assert found["box"] == pytest.approx([2.3, 0.95])
    assert found["wheels"] == 4
    assert found["images"] >= 5
    assert found["size"] == [800, 600]
    assert found["rising"]
    assert found["next_map"] == "Town_001"
    assert found["next_actors"] == ["spectator"]


def test_lights_signs_and_static_objects_are_told_by_the_api(road):
    found = json.loads(run_client("signals.py", road.port, "Town_000"))
    road_map = load_town_scene(0).road_map
    lights = [signal for signal in road_map.signals if signal.kind == SignalType.TRAFFIC_LIGHT]
    assert sorted(found["ids"]) == sorted(signal.id for signal in lights)
    assert all(found["by_landmark"])
    assert found["first_ahead"]
    for sign_id, stops in zip(found["ids"], found["stops"], strict=True):
        (signal,) = (one for one in lights if one.id == sign_id)
        assert {(key[0], key[2]) for key, _ in signal.stops} == {(road, lane) for *_, road, lane in stops}
        for key, s in signal.stops:
            lane = road_map.lanes[key]
            place = [np.interp(s, lane.s, values) for values in lane.points.T]
            assert min(np.hypot(x - place[0], y - place[1]) for x, y, *_ in stops) < 0.5

    # lights of a group switch together, groups never all at once; green, yellow, red as the times say
    states, of_light = np.array(found["states"]), dict(zip(found["own_ids"], range(found["lights"]), strict=True))
    for light, group in zip(found["own_ids"], found["groups"], strict=True):
        assert light in group
        for other in group:
            np.testing.assert_array_equal(states[:, of_light[light]], states[:, of_light[other]])
    assert (states == 0).any(1).all()
    changes = [(a, b) for column in states.T for a, b in itertools.pairwise(column) if a != b]
    assert {(0, 2), (2, 1), (1, 0)} >= set(changes)
    assert len(changes) == found["elapsed_falls"] > 0

    layout = load_town_scene(0).layout
    buildings = layout.boxes[layout.box_kinds == LayoutKind.BUILDING]
    assert found["objects"] == found["all_boxes"] == len(layout.boxes)
    assert found["boxes"] == len(found["houses"]) == len(buildings)
    x, y, z, *half = found["houses"][0]
    np.testing.assert_allclose([x, -y], buildings[0, :2], atol=1e-3)
    np.testing.assert_allclose(2 * np.array(half), buildings[0, BoxColumn.LENGTH :], atol=1e-3)
    assert z - half[2] == pytest.approx(float(buildings[0, BoxColumn.Z]), abs=1e-3)
    assert sum(found["heads"]) == int((layout.box_kinds == LayoutKind.LIGHT).sum())
    assert "traffic lights cannot be frozen" in road.said()


@pytest.mark.parametrize(("world", "spawn"), [("road", "0"), ("learned", "4")])
def test_the_clients_traffic_manager_drives_the_ego_and_others(world, spawn, request):
    bridge = request.getfixturevalue(world)
    found = json.loads(run_client("traffic_manager.py", bridge.port, str(free_port()), "50", spawn))
    assert min(found["driven"]) > 5
    assert found["farthest_from_lane"] < 3
    assert min(found["limits"]) > 10  # where it is 0 Traffic Managers send brakes that are not finite


def test_the_learned_world_drives_a_carla_script(learned):
    found = json.loads(run_client("manual_control.py", learned.port, "Start_003"))
    assert found["speed"] > 0.5
    assert found["images"] >= 5
    assert found["rising"]
    assert (found["map"], found["next_map"]) == ("Start_000", "Start_003")
    assert found["maps"] > 3


def test_what_the_learned_world_cannot_do_is_refused(learned):
    found = json.loads(run_client("refusals.py", learned.port, "0.05"))
    assert "fixed_delta_seconds must be 0.1 in this world, got 0.05" in found["step"]
    assert_refused(found)
    assert "beside the route along which this world can be entered" in found["off_lane"]
    assert "29 spawn points, every 20 m, run from" in found["off_lane"]
    assert "what one front camera sees" in found["camera"]


def test_one_layout_per_version_and_no_other():
    layout = layout_of("0.9.16")
    assert layout.actor.itemsize == 119
    assert [layout.token.size, layout.sensor_header.size, layout.episode_header.size] == [24, 48, 36]
    assert len(layout.commands) == 22
    assert list(LAYOUTS) == ["0.9.16"]
    with pytest.raises(
        ValueError, match=r"CARLA 0\.9\.15 is not supported, for what it sends .* supported versions: 0\.9\.16"
    ):
        ServeConfig(carla_version="0.9.15")
    with pytest.raises(ValueError, match="port"):
        ServeConfig(port=70000)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_soak_of_20000_ticks_misses_nothing_and_keeps_its_memory(road):
    found = json.loads(run_client("soak.py", road.port, str(road.process.pid), "20000", seconds=7000))
    assert found["misses"] == 0
    for side in (0, 1):
        settled, last = found["memory"][len(found["memory"]) // 4][side], found["memory"][-1][side]
        assert last - settled < 30, found["memory"]
