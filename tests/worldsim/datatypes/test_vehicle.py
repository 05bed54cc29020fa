"""The vehicle model: closed forms, and its distance from recordings of a CARLA vehicle."""

import csv

import numpy as np
import pytest
from places import SHARED_DATA

from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel, motion_between, pursuit_curvature

RECORDINGS = SHARED_DATA / "carla_step_responses"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no CARLA recordings at {RECORDINGS}")


def columns(name: str, *keys: str) -> list[np.ndarray]:
    with (RECORDINGS / name).open() as file:
        rows = list(csv.DictReader(file))
    return [np.array([float(row[key]) for row in rows]) for key in keys]


def test_positive_steer_turns_left_on_the_circle_of_its_angle():
    model = VehicleModel()
    vehicle = np.array([0.0, 0.0, 0.0, 5.0, 0.0, 0.1])
    hold = model.acceleration_command(0.0, 5.0)
    for _ in range(20):
        vehicle = model.step(vehicle, np.array([0.1 / model.max_steer_angle, hold, 0.0, 0.0]), 0.1)
    radius = model.wheelbase / np.tan(0.1)
    assert vehicle[1] > 0
    assert vehicle[2] > 0
    assert np.hypot(vehicle[0], vehicle[1] - radius) == pytest.approx(radius, rel=1e-3)


@pytest.mark.parametrize("curvature", [0.1, 0.0, -0.05])
def test_steer_command_drives_a_circle_of_that_curvature(curvature):
    model = VehicleModel()
    vehicle = np.zeros(len(VehicleColumn))
    vehicle[VehicleColumn.SPEED] = 4.0
    vehicle[VehicleColumn.STEER_ANGLE] = model.steer_command(curvature) * model.max_steer_angle
    assert model.yaw_rate(vehicle) == pytest.approx(4.0 * curvature)


@pytest.mark.parametrize("curvature", [0.1, -0.02])
def test_pursuit_finds_the_circle_that_a_point_is_on(curvature):
    turned = 8.0 * curvature
    assert pursuit_curvature(np.sin(turned) / curvature, (1 - np.cos(turned)) / curvature) == pytest.approx(curvature)
    assert pursuit_curvature(0.0, 0.5, least_square=1.0) == 1.0


def test_full_brake_stops_and_stays():
    model = VehicleModel()
    vehicle = np.array([0.0, 0.0, 0.0, 10.0, 0.0, 0.0])
    for _ in range(30):
        vehicle = model.step(vehicle, np.array([0.0, 0.0, 1.0, 0.0]), 0.1)
    assert vehicle[3] == 0.0
    assert vehicle[4] == 0.0
    assert 6.0 < vehicle[0] < 9.0  # v²/2a at 8.3 m/s², plus the lag


def test_acceleration_command_yields_that_acceleration():
    model = VehicleModel()
    for wanted in (-4.0, 0.0, 2.0):
        vehicle = np.array([0.0, 0.0, 0.0, 12.0, 0.0, 0.0])
        for _ in range(10):
            command = model.acceleration_command(wanted, vehicle[3])
            vehicle = model.step(vehicle, np.array([0.0, max(command, 0.0), max(-command, 0.0), 0.0]), 0.1)
        assert vehicle[4] == pytest.approx(wanted, abs=0.05)


def test_reverse_drives_backwards():
    model = VehicleModel()
    vehicle = np.zeros(6)
    for _ in range(10):
        vehicle = model.step(vehicle, np.array([0.0, 0.6, 0.0, 1.0]), 0.1)
    assert vehicle[3] < -1.0
    assert vehicle[0] < -0.5


def test_slot_of_a_batch_equals_the_single_vehicle():
    model, rng = VehicleModel(), np.random.default_rng(0)
    vehicles = rng.normal(size=(4, 6))
    controls = rng.uniform(0, 1, (4, 4))
    batch = model.step(vehicles, controls, 0.1)
    for i in range(4):
        assert np.array_equal(batch[i], model.step(vehicles[i], controls[i], 0.1))


def test_motion_between_is_seen_from_the_first_state():
    before = np.array([1.0, 2.0, np.pi / 2, 3.0, 0.0, 0.0])
    after = np.array([0.0, 4.0, np.pi / 2 + 0.2, 3.5, 0.4, 0.1])
    assert motion_between(before, after) == pytest.approx([2.0, 1.0, 0.2, 3.5, 0.4, 0.1])


@needs_recordings
def test_recorded_steady_turn():
    model = VehicleModel()
    speeds, rates = columns("sysid_lateral.csv", "speed_kmh", "yaw_rate_dps")
    speed = speeds[-1] / 3.6
    vehicle = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.05 * model.max_steer_angle])
    assert np.degrees(model.yaw_rate(vehicle)) == pytest.approx(np.median(rates), abs=0.1)


@needs_recordings
def test_recorded_drives_in_open_loop():
    model = VehicleModel()
    num_steps, dt = 40, 0.05
    controls, speeds, yaws = [], [], []
    for name in ("heading", "shift", "vision"):
        kmh, steer, throttle, brake, yaw = columns(
            f"ego_trajectory_{name}.csv", "speed_kmh", "steer", "throttle", "brake", "yaw_deg"
        )
        yaw = -np.unwrap(np.radians(yaw))  # CARLA's frame is left-handed, its steer positive right
        for i in range(20, len(kmh) - num_steps - 1, 20):
            window = slice(i, i + num_steps + 1)
            if kmh[window].min() > 5.4:
                controls.append(np.stack([-steer, throttle, brake, 0 * brake], -1)[window])
                speeds.append(kmh[window] / 3.6)
                yaws.append(yaw[window])
    control, speed, yaw = (np.stack(a, 1) for a in (controls, speeds, yaws))
    rates = np.diff(yaw, axis=0) / dt
    vehicle = np.zeros((speed.shape[1], 6))
    vehicle[:, 3] = speed[0]
    vehicle[:, 4] = (speed[1] - speed[0]) / dt
    vehicle[:, 5] = np.arctan(rates[0] * model.wheelbase / speed[0])
    states = [vehicle]
    for k in range(num_steps):
        states.append(model.step(states[-1], control[k], dt, num_substeps=2))
    state = np.stack(states)
    speed_error = np.sqrt(np.mean((state[..., 3] - speed) ** 2))
    rate_error = np.degrees(np.sqrt(np.mean((np.diff(state[..., 2], axis=0) / dt - rates) ** 2)))
    assert speed.shape[1] > 250
    assert speed_error < 0.45
    assert rate_error < 3.0


def test_one_vehicle_steps_to_the_bits_of_a_batch():
    rng, model = np.random.default_rng(0), VehicleModel()
    vehicles = rng.uniform((-9, -9, -4, -12, -6, -1), (9, 9, 4, 12, 6, 1), (300, 6))
    vehicles[::3, VehicleColumn.SPEED] = 0.0
    controls = rng.uniform((-1, 0, 0, 0), (1, 1, 1, 1), (300, 4)) * (rng.random((300, 4)) < 0.6)
    together = model.step(vehicles, controls, 0.1)
    singly = np.stack([model.step(*pair, 0.1) for pair in zip(vehicles, controls, strict=True)])
    assert np.array_equal(singly, together)
