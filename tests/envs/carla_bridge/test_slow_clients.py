"""What one client does not read, or sends without end: others go on, and the server's memory keeps its size."""

import contextlib
import socket
import struct
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest
from bridge_process import serving
from faults import on_linux
from raw_client import NEVER_MIND, RawClient, read_message

from envs.carla.versions import layout_of
from envs.carla_bridge.bridge import STALL_TIMEOUT, Bridge
from envs.carla_bridge.road_simulation import RoadSimulation
from envs.carla_bridge.rpc import MOST_BYTES
from envs.road.config import RoadWorldConfig

MB = 2**20
EMPTY_ROAD = ("--world", "road", "--frame-size", "48", "48", "--num-vehicles", "0", "--num-pedestrians", "0")


@pytest.fixture(scope="module")
def bridge():
    with serving(*EMPTY_ROAD) as served:
        yield served


@pytest.fixture
def client(bridge):
    one = RawClient(bridge.port)
    one.ego = one.spawn_ego()
    yield one
    one.settings(synchronous=False)
    one.call("destroy_actor", one.ego)


def memory(bridge) -> float:
    """Of the server's process [bytes]."""
    pages = int(Path(f"/proc/{bridge.process.pid}/statm").read_text().split()[1])
    return pages * 4096


def camera_of(client) -> int:
    size = {"image_size_x": "400", "image_size_y": "300"}
    return client.spawn("sensor.camera.rgb", [[1.2, 0.0, 1.6], [0.0] * 3], client.ego, **size)


def test_frames_that_nobody_reads_are_dropped_in_asynchronous_mode(client):
    unread = client.subscribe(camera_of(client))
    client.socket.settimeout(STALL_TIMEOUT - 1.0)
    end = time.monotonic() + 2 * STALL_TIMEOUT
    while time.monotonic() < end:
        client.call("version")
    unread.close()


def test_who_reads_nothing_is_waited_for_once_in_synchronous_mode_and_gets_whole_frames_again(client):
    stream = client.subscribe(camera_of(client))
    client.settings(synchronous=True)
    seconds = []
    for _ in range(12):
        begun = time.monotonic()
        client.call("tick_cue")
        seconds.append(time.monotonic() - begun)
    client.call("version")
    assert sum(one > 0.9 * STALL_TIMEOUT for one in seconds) == 1

    frames = []
    with contextlib.suppress(TimeoutError):  # all that were sent before it was given up
        while True:
            frames.append(read_message(stream, timeout=1.0))
    assert 0 < len(frames) < 12
    client.call("tick_cue")
    assert len(read_message(stream)) == len(frames[0])


def flood(to: socket.socket, chunk: bytes, num_bytes: int) -> None:
    """Send so much, or until the server closes or reads no more."""
    to.settimeout(2.0)
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(num_bytes // len(chunk)):
            to.sendall(chunk)


@on_linux
def test_memory_keeps_its_size_whatever_is_sent_or_not_read(bridge, client):
    before = memory(bridge)
    subscriber = client.subscribe(1)
    flood(subscriber, bytes(MB), 200 * MB)
    client.call("version")
    assert memory(bridge) - before < 50 * MB

    announced = RawClient(bridge.port)
    flood(announced.socket, b"\x94\x00\x01\xa1x\xc6" + struct.pack(">I", 2**28), 10)
    flood(announced.socket, bytes(MB), 200 * MB)
    client.call("version")
    assert memory(bridge) - before < 3 * MOST_BYTES

    deaf = RawClient(bridge.port)
    flood(deaf.socket, msgpack.packb([0, 1, "get_actor_definitions", [[NEVER_MIND]]]) * 1000, 4 * MB)
    client.call("version")
    assert memory(bridge) - before < 4 * MOST_BYTES
    deaf.socket.close()


class BreakingSimulation(RoadSimulation):
    """Takes no step."""

    def step(self, control: np.ndarray) -> None:
        raise ArithmeticError("no step")


def test_a_world_that_cannot_take_a_step_loses_its_ego_and_serves_on():
    config = RoadWorldConfig(frame_size=(48, 48), num_vehicles=0, num_pedestrians=0)
    bridge = Bridge(BreakingSimulation(config), layout_of("0.9.16"), ())
    pose = bridge.simulation.spawn_poses[0]
    place = [[float(pose[0]), -float(pose[1]), 0.5], [0.0, -float(np.degrees(pose[2])), 0.0]]
    bridge.registry.spawn([1, "vehicle.nissan.patrol", [["role_name", 0, "hero"]]], place)
    for _ in range(2):
        assert bridge._step_world() is None
        assert bridge.registry.ego is None
