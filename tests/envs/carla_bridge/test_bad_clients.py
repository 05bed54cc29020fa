"""Whatever one client sends, sends too much of, or does not read: the server goes on for every other one."""

import math
import re
import socket

import msgpack
import pytest
from bridge_process import serving
from raw_client import NEVER_MIND, RawClient, read_message, refusal

from envs.carla.versions import DEFAULT_VERSION, layout_of

COMMANDS = layout_of(DEFAULT_VERSION).commands
NAN, INF = math.nan, math.inf
HERE = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
EMPTY_ROAD = ("--world", "road", "--frame-size", "48", "48", "--num-vehicles", "0", "--num-pedestrians", "0")


@pytest.fixture(scope="module", params=["road", "learned"])
def bridge(request):
    with serving(*(EMPTY_ROAD if request.param == "road" else ("--world", "learned"))) as served:
        yield served


@pytest.fixture(scope="module")
def other(bridge):
    """A well-behaved client with an ego, in synchronous mode."""
    client = RawClient(bridge.port)
    client.ego = client.spawn_ego()
    client.settings(synchronous=True)
    return client


def sensor(name, transform=HERE, **attributes):
    return [
        "spawn_actor_with_parent",
        [1, f"sensor.{name}", [[k, 0, v] for k, v in attributes.items()]],
        transform,
        "EGO",
    ]


def car(transform=HERE, **attributes):
    return ["spawn_actor", [1, "vehicle.tesla.model3", [[k, 0, v] for k, v in attributes.items()]], transform]


REFUSED = {
    "a control of NaN": (
        ["apply_control_to_vehicle", "EGO", [NAN, 0.0, 0.0, False, False, False, 0]],
        "throttle is nan",
    ),
    "a control of texts": (["apply_control_to_vehicle", "EGO", ["a", 0.0, 0.0, False, False, False, 0]], "is 'a'"),
    "a velocity of NaN": (["set_actor_target_velocity", "EGO", [NAN, 0.0, 0.0]], "x is nan"),
    "a place that is none": (["set_actor_transform", "SPECTATOR", []], "the transform of actor"),
    "a place of texts": (["set_actor_transform", "SPECTATOR", [["a", "b", "c"], ["d", "e", "f"]]], ".x is 'a'"),
    "a place at infinity": (["set_actor_location", "SPECTATOR", [INF, 0.0, 0.0]], "x is inf"),
    "a place beyond float32": (["set_actor_location", "SPECTATOR", [1e300, 0.0, 0.0]], r"x is 1e\+300"),
    "a car at NaN": (car([[NAN, 0.0, 0.0], [0.0, 0.0, 0.0]]), "x is nan"),
    "a car of no colour": (car(color="300,-1,0"), "color of vehicle.tesla.model3 is"),
    "a camera at NaN": (sensor("camera.rgb", [[NAN, 0.0, 1.6], [0.0] * 3]), "x is nan"),
    "a camera of no place": (sensor("camera.rgb", []), "the transform of sensor.camera.rgb"),
    "a camera of 10^12 pixels": (
        sensor("camera.rgb", image_size_x="1000000", image_size_y="1000000"),
        "4096 px a side",
    ),
    "a camera of NaN degrees": (sensor("camera.rgb", fov="nan"), "sensor.camera.rgb: fov is nan"),
    "a camera that sees nothing": (sensor("camera.rgb", fov="0"), "between 0 and 180 degrees"),
    "an IMU's period": (sensor("other.imu", sensor_tick="abc"), "attribute sensor_tick of sensor.other.imu is 'abc'"),
    "an endless period": (sensor("other.imu", sensor_tick="inf"), "sensor.other.imu: sensor_tick is inf"),
    "settings of texts": (["set_episode_settings", ["a", False, [False], *[0] * 8]], "synchronous_mode is 'a'"),
    "a weather of texts": (["set_weather_parameters", ["a"] * 14], "cloudiness is 'a'"),
    "a weather too short": (["set_weather_parameters", [0.0]], "shorter"),
    "lights of nobody": (["set_vehicle_light_state", 10**6, [8]], "actor not found"),
    "a path for a map": (["copy_opendrive_to_file", "/etc/hostname", []], "is no OpenDRIVE text"),
    "a map of no name": (["load_new_episode", "../../etc/passwd", False, 0], "not found"),
    "a manager's host": (["add_traffic_manager_running", [1, 8000]], "host of a Traffic Manager"),
}
FAILED = {
    "a list for a method": [["x"]],
    "a dict for a method": [{"a": 1}],
    "no such method": ["x"],
    "a list for an id": ["get_actor_bounding_box", []],
    "too few arguments": ["apply_control_to_vehicle"],
    "lights of no state": ["set_vehicle_light_state", "EGO", []],
    "no token": ["get_sensor_token", "x"],
    "a batch of nothing": ["apply_batch", [1], True],
}
NO_REQUESTS = {
    "not msgpack": b"\xc1" * 40,
    "a number": 7,
    "an answer": [1, 1, None, None],
    "no arguments": [0, 1, "version", 5],
    "a web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a deep nest": b"\x91" * 5000,
    "half of it": msgpack.packb([0, 1, "version", [NEVER_MIND]])[:-2],
}


def filled(call, client):
    spectator = client.call("get_spectator")[0]
    return [{"EGO": client.ego, "SPECTATOR": spectator}.get(a, a) if isinstance(a, str) else a for a in call]


def assert_goes_on(client):
    """The next two frames come, with the ego in them."""
    stream = client.subscribe(1)
    for _ in range(2):
        client.call("tick_cue")
        assert read_message(stream)
    stream.close()
    assert client.call("get_actors_by_id", [client.ego])[0][0] == client.ego


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_by_name_and_the_world_goes_on(bridge, other, case):
    call, named = REFUSED[case]
    error, result = RawClient(bridge.port).ask(*filled(call, other))
    assert error is None
    message = refusal(result)
    assert message is not None
    assert re.search(named, message), message
    assert_goes_on(other)


@pytest.mark.parametrize("case", FAILED)
def test_a_call_that_makes_no_sense_fails_and_the_world_goes_on(bridge, other, case):
    error, _ = RawClient(bridge.port).ask(*filled(FAILED[case], other))
    assert "unknown method" in error or "failed in the server" in error
    assert_goes_on(other)


@pytest.mark.parametrize("case", NO_REQUESTS)
def test_what_is_no_request_ends_its_connection_alone(bridge, other, case):
    client = RawClient(bridge.port)
    client.send(NO_REQUESTS[case])
    client.socket.shutdown(socket.SHUT_WR)
    assert client.socket.recv(1) == b""
    assert_goes_on(other)


def test_an_actor_to_which_what_is_to_be_done_then_is_refused_is_refused_with_it(bridge, other):
    """The answer to a SpawnActor has an id or an error: with an error nobody is left behind."""
    torque, lights, spawn = (COMMANDS.index(name) for name in ("ApplyTorque", "SetVehicleLightState", "SpawnActor"))

    def imu(*then):
        fields = [[1, "sensor.other.imu", []], HERE, [True, other.ego], 0, "", [[list(command)] for command in then]]
        return spawn, fields

    refused, nobody = (torque, [0, [0.0] * 3]), (lights, [10**6, 8])
    before = other.spawn("sensor.other.imu", HERE, other.ego)
    batch = [imu(refused), imu(imu(), nobody), imu(imu(refused)), imu(imu())]
    error, results = RawClient(bridge.port).ask("apply_batch", [[list(command)] for command in batch], False)
    assert error is None
    told = [result[0][1][0] for result in results[:3]]
    assert told[0].startswith("not spawned, since ApplyTorque, to be done then, is refused: ApplyTorque: ")
    assert told[1].endswith("to be done then, is refused: unable to find actor 1000000: actor not found")
    assert told[2].count("not spawned, since") == 2
    good, last = results[3][0]
    assert good == 1
    others = other.call("get_actors_by_id", list(range(before + 1, last + 10)))
    assert [actor[0] for actor in others] == [last, last + 1]
    assert_goes_on(other)
