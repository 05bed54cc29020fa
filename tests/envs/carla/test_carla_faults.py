"""What CarlaWorld does when server or client fail, and which settings it refuses."""

import re
import signal
import socket
import threading

import msgpack
import numpy as np
import pytest
from answers import shown
from bridge_process import SMALL_ROAD, serving
from carla_worlds import GO, NUM_WARMUP, carla_config

import drivedit  # noqa: F401  registers the ids
from envs.carla.carla_world import CarlaWorld, CarlaWorldConfig
from envs.carla_bridge.serve import ServeConfig
from envs.world import Restorable, WorldLostError


def drive(world, num_steps):
    """Instants of an episode, and what ended it, "" when nothing did."""
    instants = [shown(world, world.reset(0, {}))]
    try:
        for _ in range(num_steps):
            instants.append(shown(world, world.step(GO)))
    except WorldLostError as error:
        return instants, str(error)
    return instants, ""


def assert_unbroken(instants):
    """Frame numbers rise by one and, in a moving car, no image comes twice."""
    numbers = [instant.info["frame_number"] for instant in instants]
    assert np.diff(numbers).tolist() == [1] * (len(instants) - 1)
    moving = [instant.frame.tobytes() for instant in instants if instant.vehicle[3] > 0.5]
    assert len(set(moving)) == len(moving)


@pytest.mark.timeout(900)
def test_each_fault_has_its_outcome_and_a_reset_goes_on():
    """One bridge with many faults; an ego's first NUM_WARMUP frames are over when reset returns."""
    harmless = ("late_image@8:0.3", "duplicated_image@10", "late_frame@12:0.3")
    harmful = ("dropped_image@20", "late_image@30:4", "rpc_error@40", "kill@50")
    with serving(*SMALL_ROAD, "--faults", *harmless, *harmful) as bridge:
        world = CarlaWorld(carla_config(bridge.port, image_seconds=2.0))
        instants, error = drive(world, 30)
        assert_unbroken(instants)
        assert len(instants) == 20 - NUM_WARMUP  # through the harmless ones, up to the first harmful one
        assert re.search(r"the image of frame \d+ did not come within 2 s", error)
        with pytest.raises(ValueError, match="reset first"):
            world.step(GO)
        for num_frames, message in (
            (10, r"the image of frame \d+ did not come within 2 s"),
            (11, r"CARLA gave no frame after \d+: injected error in tick_cue"),  # after frame 40, not in it
            (10, r"CARLA gave no frame after \d+: time-out"),
        ):
            instants, error = drive(world, 30)
            assert_unbroken(instants)
            assert re.search(message, error)
            assert len(instants) == num_frames - NUM_WARMUP
        assert bridge.process.wait(10) == -signal.SIGKILL
        assert [line.split()[1] for line in bridge.lines if line.startswith("fault: ")] == [
            fault.partition("@")[0] for fault in (*harmless, *harmful)
        ]
        world.close()


def test_a_frame_that_never_comes_is_an_error():
    with serving(*SMALL_ROAD, "--faults", "late_frame@8:1000") as bridge:
        world = CarlaWorld(carla_config(bridge.port, tick_seconds=3.0, connect_seconds=10.0))
        instants, error = drive(world, 12)
        assert len(instants) == 8 - NUM_WARMUP
        assert "CARLA gave no frame after" in error
        assert "time-out" in error
        with pytest.raises(ConnectionError, match="no CARLA server answers"):
            world.reset(0, {})
        world.close()


@pytest.mark.parametrize("text", ["late_image", "frogs@3", "late_image@0", "late_frame@3:-1", "late_frame@x"])
def test_a_fault_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"fault|at must|seconds"):
        ServeConfig(faults=(text,))


def test_a_client_that_hangs_is_ended(carla_world):
    carla_world.reset(0, {})
    child = carla_world._process._child
    child.send_signal(signal.SIGSTOP)  # what a dead-lock in C++ looks like from outside
    with pytest.raises(WorldLostError, match=r"hung in step for 0\.5 s and was ended"):
        carla_world._process.call("step", GO, seconds=0.5)
    assert child.poll() == -signal.SIGKILL
    assert carla_world.reset(0, {}).vehicle[3] == 0.0  # what the dead one had left in the server was cleared away


def test_a_client_that_crashes_is_reported(carla_world):
    carla_world.reset(0, {})
    carla_world._process._child.send_signal(signal.SIGSEGV)
    with pytest.raises(WorldLostError, match="ended in step with exit code -11"):
        carla_world.step(GO)


def test_no_server_is_a_clear_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"no CARLA server answers at 127.0.0.1:{port}"):
        CarlaWorld(carla_config(port, connect_seconds=1.0)).reset(0, {})


def test_a_server_of_another_version_is_refused():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            unpacker = msgpack.Unpacker()
            while data := connection.recv(4096):
                unpacker.feed(data)
                for _, number, _, _ in unpacker:
                    connection.sendall(msgpack.packb([1, number, None, [[1, "0.9.15"]]]))

        threading.Thread(target=answer, daemon=True).start()
        world = CarlaWorld(carla_config(listener.getsockname()[1]))
        with pytest.raises(ConnectionError, match=r"is CARLA 0\.9\.15, the installed client is 0\.9\.16"):
            world.reset(0, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": "Town99"}, "the server has no map 'Town99'"),
        ({"start_pose": (5000.0, 0.0, 0.0)}, "not within 30 m of a driving lane"),
        ({"wether": 1}, "wether"),
    ],
)
def test_bad_options_are_refused(carla_world, options, message):
    with pytest.raises(ValueError, match=message):
        carla_world.reset(0, options)


def test_bad_settings_and_orders_are_refused():
    for changes in ({"dt": 0.0}, {"weather": "Frogs"}, {"num_warmup": 0}, {"port": 0}, {"frame_size": (8, 8)}):
        with pytest.raises(ValueError, match=str(next(iter(changes)))):
            CarlaWorldConfig(**changes)
    world = CarlaWorld()
    with pytest.raises(ValueError, match="reset first"):
        world.step(GO)
    assert not isinstance(world, Restorable)
    world.close()
