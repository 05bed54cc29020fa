"""Vehicles that clients have spawned besides the ego obey their control, by the ego's vehicle model."""

import numpy as np
import pytest

from envs.carla.coordinates import poses_to_carla
from envs.carla.versions import layout_of
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.methods import methods_of
from envs.carla_bridge.road_simulation import RoadSimulation
from envs.carla_bridge.rpc import RefusedError
from envs.road.config import RoadWorldConfig
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

EMPTY = RoadWorldConfig(frame_size=(16, 16), num_vehicles=0, num_pedestrians=0, parked_share=0.0)
RIGHT_TURN = [0.6, 0.2, 0.0, False, False, False, 0]
"""Throttle, steer to the right, brake and so on, as CARLA's VehicleControl is on the wire."""


@pytest.fixture
def bridge() -> Bridge:
    simulation = RoadSimulation(EMPTY, first_map="Town_001")
    bridge = Bridge(simulation, layout_of("0.9.16"), ())
    (x, y, yaw), *_ = poses_to_carla(simulation.spawn_poses)
    bridge.registry.spawn([0, "vehicle.nissan.patrol", [["role_name", 4, "hero"]]], [[x, y, 0.0], [0.0, yaw, 0.0]])
    return bridge


def spawn(bridge: Bridge, name: str):
    x, y, yaw = poses_to_carla(bridge.simulation.spawn_poses)[40].tolist()
    return bridge.registry.spawn([0, name, []], [[x, y, 0.0], [0.0, yaw, 0.0]])


def step(bridge: Bridge) -> None:
    bridge.registry.move_spawned()
    bridge.simulation.place(bridge.registry.spawned_actors())
    assert bridge.registry.ego is not None
    bridge.drive_ego(bridge.registry.ego)


def test_a_spawned_car_drives_as_the_ego_would(bridge):
    car = spawn(bridge, "vehicle.tesla.model3")
    expected = np.array([*bridge.simulation.spawn_poses[40], 0.0, 0.0, 0.0])
    methods_of(bridge)["apply_control_to_vehicle"].call(car.id, RIGHT_TURN)
    for _ in range(10):
        step(bridge)
        expected = VehicleModel().step(expected, np.array([-0.2, 0.6, 0.0, 0.0], np.float32), bridge.simulation.dt)
    tick = bridge.simulation.observe()
    (row,) = np.flatnonzero(tick.keys == -car.id)
    np.testing.assert_allclose(tick.objects.boxes[row, :3], expected[:3], atol=1e-6)
    assert tick.objects.speeds[row] == pytest.approx(expected[VehicleColumn.SPEED], abs=0.3)


def test_a_transform_stops_it(bridge):
    car, methods = spawn(bridge, "vehicle.tesla.model3"), methods_of(bridge)
    methods["apply_control_to_vehicle"].call(car.id, RIGHT_TURN)
    step(bridge)
    methods["set_actor_transform"].call(car.id, [[5.0, 6.0, 0.0], [0.0, 90.0, 0.0]])
    step(bridge)
    assert car.location == (5.0, 6.0, 0.0)


def test_who_is_no_vehicle_obeys_no_control(bridge):
    walker = spawn(bridge, "walker.pedestrian.0001")
    with pytest.raises(RefusedError, match="is no vehicle"):
        methods_of(bridge)["apply_control_to_vehicle"].call(walker.id, RIGHT_TURN)


@pytest.mark.parametrize(
    ("blueprint", "method", "control", "named"),
    [
        ("walker.pedestrian.0001", "walker", [[np.nan, 1.0, 0.0], 1.5, False], "direction.x is nan"),
        ("walker.pedestrian.0001", "walker", [[0.0, 1.0, 0.0], np.inf, False], "speed is inf"),
        ("vehicle.tesla.model3", "vehicle", [0.6, np.nan, *RIGHT_TURN[2:]], "steer is nan"),
    ],
)
def test_a_control_that_is_not_finite_is_refused_and_moves_nobody(bridge, blueprint, method, control, named):
    actor = spawn(bridge, blueprint)
    before = actor.location
    with pytest.raises(RefusedError, match=f"of actor {actor.id}: {named}; right would be a finite number"):
        methods_of(bridge)[f"apply_control_to_{method}"].call(actor.id, control)
    step(bridge)
    assert actor.location == before
