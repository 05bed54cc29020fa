"""What clients ask of vehicles beside pedals and steering: Ackermann, constant velocity, impulses and forces."""

import math

import numpy as np
import pytest

from envs.carla.coordinates import poses_to_carla
from envs.carla.versions import layout_of
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.drive_commands import MASS, AckermannTarget, ackermann_control, holding_control
from envs.carla_bridge.methods import methods_of
from envs.carla_bridge.road_simulation import RoadSimulation
from envs.carla_bridge.rpc import RefusedError
from envs.road.config import RoadWorldConfig
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

EMPTY = RoadWorldConfig(frame_size=(16, 16), num_vehicles=0, num_pedestrians=0, parked_share=0.0)
MODEL, DT = VehicleModel(), 0.1


def target(**changes: float) -> AckermannTarget:
    return AckermannTarget(**({"steer": 0.0, "steer_speed": 0.0, "speed": 8.0, "acceleration": 0.0} | changes))


def driven(wanted: AckermannTarget, seconds: float, speed: float = 0.0) -> np.ndarray:
    """Vehicle states [n, 6] of a drive towards a target."""
    states = [np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])]
    for _ in range(round(seconds / DT)):
        states.append(MODEL.step(states[-1], ackermann_control(wanted, states[-1], MODEL, DT), DT))
    return np.array(states)


@pytest.mark.parametrize(("speed", "begun"), [(8.0, 0.0), (-3.0, 0.0), (-3.0, 5.0), (0.0, 9.0), (4.0, -2.0)])
def test_an_ackermann_control_reaches_its_speed_and_keeps_it(speed, begun):
    speeds = driven(target(speed=speed), 8.0, begun)[:, VehicleColumn.SPEED]
    np.testing.assert_allclose(speeds[-20:], speed, atol=0.05)


def test_it_keeps_to_its_acceleration_and_to_the_speed_of_its_wheels():
    states = driven(target(speed=10.0, acceleration=2.0, steer=0.3, steer_speed=0.2), 3.0)
    assert np.diff(states[:, VehicleColumn.SPEED]).max() / DT == pytest.approx(2.0, abs=0.1)
    assert np.diff(states[:, VehicleColumn.STEER_ANGLE]).max() / DT == pytest.approx(0.2, abs=0.01)
    assert states[-1, VehicleColumn.STEER_ANGLE] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("speed", [0.0, 12.0, -2.0])
def test_a_held_speed_stays(speed):
    state = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])
    for _ in range(50):
        state = MODEL.step(state, holding_control(speed, 0.0, MODEL), DT)
    assert state[VehicleColumn.SPEED] == pytest.approx(speed, abs=1e-4)


@pytest.fixture
def bridge() -> Bridge:
    simulation = RoadSimulation(EMPTY, first_map="Town_001")
    return Bridge(simulation, layout_of("0.9.16"), ())


def spawned(bridge: Bridge, index: int, role: str):
    x, y, yaw = poses_to_carla(bridge.simulation.spawn_poses)[index].tolist()
    attributes = [["role_name", 4, role]]
    return bridge.registry.spawn([0, "vehicle.tesla.model3", attributes], [[x, y, 0.0], [0.0, yaw, 0.0]])


def step(bridge: Bridge, number: int = 1) -> None:
    for _ in range(number):
        bridge.registry.move_spawned()
        bridge.simulation.place(bridge.registry.spawned_actors())
        assert bridge.registry.ego is not None
        bridge.drive_ego(bridge.registry.ego)


def speed_of(bridge: Bridge, actor) -> float:
    if actor is bridge.registry.ego:
        return float(bridge.simulation.observe().vehicle[VehicleColumn.SPEED])
    return actor.speed


@pytest.mark.parametrize("role", ["hero", "autopilot"])
def test_the_ego_and_others_obey_alike(bridge, role):
    if role != "hero":
        spawned(bridge, 0, "hero")
    car, call = spawned(bridge, 40, role), {name: method.call for name, method in methods_of(bridge).items()}
    yaw = math.radians(float(poses_to_carla(bridge.simulation.spawn_poses)[40, 2]))
    ahead, right = (math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))
    call["apply_ackermann_control_to_vehicle"](car.id, [0.0, 0.0, 3.0, 0.0, 0.0])
    step(bridge, 30)
    assert speed_of(bridge, car) == pytest.approx(3.0, abs=0.1)

    call["enable_actor_constant_velocity"](car.id, [5.0, 0.0, 0.0])
    step(bridge, 3)
    assert speed_of(bridge, car) == pytest.approx(5.0, abs=1e-3)
    call["disable_actor_constant_velocity"](car.id)
    call["apply_control_to_vehicle"](car.id, [0.0, 0.0, 1.0, False, False, False, 0])
    step(bridge, 20)
    assert speed_of(bridge, car) == 0.0

    call["add_actor_impulse"](car.id, [MASS * (4.0 * a + 2.0 * r) for a, r in zip(ahead, right, strict=True)] + [0.0])
    assert speed_of(bridge, car) == pytest.approx(4.0, abs=1e-6)  # the tyres hold what is across
    call["add_actor_force"](car.id, [MASS * 10.0 * part for part in ahead] + [0.0])
    assert speed_of(bridge, car) == pytest.approx(4.0 + 10.0 * bridge.simulation.dt, abs=1e-6)


@pytest.mark.parametrize("role", ["hero", "autopilot"])
def test_an_impulse_leaves_the_wheels_turned_as_they_are(bridge, role):
    if role != "hero":
        spawned(bridge, 0, "hero")
    car, call = spawned(bridge, 40, role), {name: method.call for name, method in methods_of(bridge).items()}

    def steer_angle() -> float:
        motion = bridge.simulation.observe().vehicle if car is bridge.registry.ego else car.motion
        return float(motion[VehicleColumn.STEER_ANGLE])

    call["apply_control_to_vehicle"](car.id, [0.4, -0.5, 0.0, False, False, False, 0])
    step(bridge, 20)
    before = steer_angle()
    assert before > 0.1
    call["add_actor_impulse"](car.id, [MASS, 0.0, 0.0])
    assert steer_angle() == before


NAN = float("nan")


@pytest.mark.parametrize("role", ["hero", "autopilot"])
@pytest.mark.parametrize(
    ("method", "value", "named"),
    [
        ("apply_ackermann_control_to_vehicle", [0.0, 0.0, NAN, 0.0, 0.0], "speed is nan"),
        ("enable_actor_constant_velocity", [NAN, 0.0, 0.0], "x is nan"),
        ("add_actor_impulse", [0.0, NAN, 0.0], "y is nan"),
        ("add_actor_force", [0.0, math.inf, 0.0], "y is inf"),
        ("set_actor_target_velocity", [NAN, 0.0, 0.0], "x is nan"),
    ],
)
def test_what_is_not_finite_is_refused_with_its_value(bridge, role, method, value, named):
    spawned(bridge, 0, "hero")
    car = bridge.registry.ego if role == "hero" else spawned(bridge, 40, role)
    with pytest.raises(RefusedError, match=f"of actor {car.id}: {named}; right would be a finite number"):
        methods_of(bridge)[method].call(car.id, value)
    step(bridge)
    assert speed_of(bridge, car) == 0.0


@pytest.mark.parametrize(
    ("method", "value", "named"),
    [
        ("set_actor_transform", [[NAN, 0.0, 0.0], [0.0, 0.0, 0.0]], "location.x is nan"),
        ("set_actor_transform", [[0.0, 0.0, 0.0], [0.0, NAN, 0.0]], "rotation.y is nan"),
        ("set_actor_location", [0.0, math.inf, 0.0], "location.y is inf"),
    ],
)
def test_a_place_that_is_not_finite_is_refused_with_its_value(bridge, method, value, named):
    car = spawned(bridge, 40, "autopilot")
    before = car.location
    with pytest.raises(RefusedError, match=f"transform of actor {car.id}: {named}"):
        methods_of(bridge)[method].call(car.id, value)
    assert car.location == before


def test_nobody_is_spawned_nowhere(bridge):
    with pytest.raises(RefusedError, match=r"Spawn failed: the transform of vehicle.tesla.model3: .* is nan"):
        bridge.registry.spawn([0, "vehicle.tesla.model3", []], [[NAN, 0.0, 0.0], [0.0, 0.0, 0.0]])
