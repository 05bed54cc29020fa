"""Scripts of CARLA's users against a road world: who is the ego, what is refused, the calls of CARLA's examples."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import carla
import numpy as np
import pytest
from bridge_process import SMALL_ROAD, free_port, run_client, serving
from places import environment

from envs.carla.blueprint_choice import choose_blueprint
from envs.carla_bridge.one_road_map import GEO_REFERENCE, route_xodr
from worldsim.datatypes.scene import ObjectKind

EXAMPLES = os.environ.get("DRIVEDIT_CARLA_EXAMPLES", "")


@pytest.fixture(scope="module")
def road():
    with serving(*SMALL_ROAD) as bridge:
        yield bridge


def test_the_ego_is_who_is_meant_to_be_else_who_is_driven_first(road):
    found = json.loads(run_client("ego_choice.py", road.port, "first"))
    hero, other = found["ids"]
    assert found["before"] == ["vehicle.audi.etron"]  # the world's own traffic comes with the ego
    assert found["waiting"] > 3
    assert found["hero"] == pytest.approx(found["waiting"], abs=0.1)
    assert found["went_on"] > 5  # whom the hero has replaced
    refused = f"this world has one, which is actor {hero} (vehicle.tesla.model3) by role_name 'hero'"
    assert f"actor {other} (vehicle.audi.etron) cannot be the ego by its sensors: {refused}" in found["camera"]
    assert refused in found["second"]
    assert found["step"] == pytest.approx(0.05)
    assert found["one_tick"] == pytest.approx(0.05, abs=0.005)

    # that script has died; the next one takes its place
    after = json.loads(run_client("ego_choice.py", road.port, "next"))
    left, rolled, speed = after["left"]
    assert left == hero
    assert f"actor {hero} (vehicle.tesla.model3) is there, left by a client that is gone" in after["occupied"]
    assert after["hero"] > 1.5
    assert rolled < 6
    assert speed < found["hero"]
    assert after["destroyed"]
    assert f"actor {hero} (vehicle.tesla.model3) is not the ego any more, for its client has left" in road.said()


def test_what_is_not_done_is_refused_where_it_is_waited_for_else_in_the_servers_window(road):
    found = json.loads(run_client("unserved_calls.py", road.port))
    for name in ("recorder", "recorded", "replay"):
        assert "`drivedit record`" in found[name]
    for name, said in {
        "telemetry": "this world's own vehicle model",
        "bones": "without doors",
        "ray": "answers no rays",
        "objects": "neither hidden nor painted",
        "layer": "neither hidden nor painted",
        "ghost": "cannot be made immaterial",
        "physics": "cannot be taken out of physics",
        "lidar": "Spawn failed: sensor.lidar.ray_cast measures by rays",
        "normals": "Spawn failed: sensor.camera.normals shows what this world does not draw",
    }.items():
        assert said in found[name]
    assert [error.split(":")[0] for error in found["batch"]] == ["ApplyTorque", "ApplyVehiclePhysicsControl"]
    for said in (
        "apply_physics_control: all vehicles move by this world's own vehicle model",
        "open_vehicle_door: ",
        "set_wheel_steer_direction: ",
        "set_actor_enable_gravity: ",
        "stop_recorder: this server records and replays nothing",
        "set_weather_parameters: pictures show the weather that the seed draws",
        "apply_batch, DestroyActor: unable to destroy actor: not found",
    ):
        assert f"refused {said}" in road.said()


def test_the_calls_of_carlas_examples(road):
    found = json.loads(run_client("example_calls.py", road.port, str(free_port())))
    assert found["images"] >= 3
    assert found["agent"]["driven"] > 15
    assert found["agent"]["farthest_from_lane"] < 0.5
    assert len(found["traffic"]) >= 4
    assert found["traffic"][1] > 1  # all but one, who may wait for another
    assert min(found["gym"]["driven"]) > 3
    assert found["gym"]["pictures"] >= 39


def test_blueprints_are_found_by_their_attributes_where_the_names_are_others(road):
    client = carla.Client("127.0.0.1", road.port)
    client.set_timeout(60.0)
    library = client.get_world().get_blueprint_library()
    assert choose_blueprint(library, ObjectKind.CAR, "vehicle.nissan.patrol").id == "vehicle.nissan.patrol"
    chosen = {kind: choose_blueprint(library, kind, "of.another.version") for kind in ObjectKind if kind}
    assert [chosen[kind].get_attribute("base_type").as_str() for kind in (ObjectKind.CAR, ObjectKind.TRUCK)] == [
        "car",
        "truck",
    ]
    assert chosen[ObjectKind.PEDESTRIAN].get_attribute("age").as_str() == "adult"
    assert chosen[ObjectKind.STATIC].id.startswith("static.prop.")
    with pytest.raises(ValueError, match="no blueprint of a truck"):
        choose_blueprint(library.filter("walker.*"), ObjectKind.TRUCK, "of.another.version")


@pytest.mark.skipif(not EXAMPLES, reason="DRIVEDIT_CARLA_EXAMPLES names no folder with CARLA's PythonAPI/examples")
def test_carlas_own_traffic_script(road):
    command = [sys.executable, "-u", str(Path(EXAMPLES) / "generate_traffic.py"), "-p", str(road.port), "-n", "8"]
    with subprocess.Popen(
        [*command, "--tm-port", str(free_port())], stdout=subprocess.PIPE, text=True, env=environment()
    ) as script:
        lines = []
        for line in script.stdout:
            lines.append(line)
            if line.startswith("spawned "):
                script.send_signal(signal.SIGINT)
    assert any(line.startswith("spawned ") for line in lines)
    assert lines[-1] == "done.\n"
    assert script.returncode == 0


@pytest.mark.parametrize(("left", "lane"), [(-3.2, -2), (-1.5, -1), (1.5, -1), (3.2, 1), (9.0, 1)])
def test_who_is_beside_the_one_lane_is_on_a_shoulder(left, lane):
    """CARLA's agents take whoever is nearest to their own lane, of lanes of any type, for a car in their way."""
    road = carla.Map("road", route_xodr(np.array([[0.0, 0.0], [200.0, 0.0]]), 1.75, "road"))
    place = carla.Location(x=100.0, y=-left)
    assert road.get_waypoint(place, lane_type=carla.LaneType.Any).lane_id == lane
    assert road.get_waypoint(place).lane_id == -1
    assert [waypoint.lane_id for waypoint in road.generate_waypoints(50.0)] == [-1] * 5


def test_gnss_is_what_the_client_library_makes_of_the_maps_reference():
    text = route_xodr(np.array([[0.0, 0.0], [200.0, 0.0]]), 1.75, "road")
    utm = carla.Map("utm", text.replace(GEO_REFERENCE, "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"))
    at = utm.transform_to_geolocation(carla.Location())
    assert (at.latitude, at.longitude) == pytest.approx((42.0, 2.0))  # it reads tmerc alone, and warns on the console
    own = carla.Map("tmerc", text)
    assert own.transform_to_geolocation(carla.Location(y=100.0)).latitude > 0  # but north is -y by CARLA's compass
