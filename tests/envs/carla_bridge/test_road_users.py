"""All that clients spawn and move besides the ego, with the real client, in both worlds alike."""

import json

import numpy as np
import pytest
from bridge_process import run_client, serving

from envs.carla.coordinates import control_from_carla
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

TICKS = 10
EMPTY_ROAD = ("--world", "road", "--frame-size", "48", "48", "--num-vehicles", "0", "--num-pedestrians", "0")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((EMPTY_ROAD, 0), id="road"),
        pytest.param((("--world", "learned"), 4), id="learned, on the way along its route"),
    ],
)
def found(request) -> dict:
    arguments, start = request.param
    with serving(*arguments) as bridge:
        return json.loads(run_client("road_users.py", bridge.port, str(TICKS), str(start)))


def driven(throttle: float, speed: float, size: tuple[float, float] = (4.6, 1.9)) -> tuple[float, float]:
    """How far the ego's vehicle model comes in TICKS, and how fast it is then."""
    model = VehicleModel().of_size(*size)
    vehicle = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])
    for _ in range(TICKS):
        vehicle = model.step(vehicle, control_from_carla(throttle, 0.0, 0.0, False, False), 0.1)
    return vehicle[VehicleColumn.X], vehicle[VehicleColumn.SPEED]


def test_what_clients_filter_for_is_there(found):
    assert len(found["two_wheelers"]) == 7
    assert found["walkers"] == 52
    assert found["colours"] > 1
    assert found["types"] == ["Vehicle", "Vehicle", "Actor", "Walker", "WalkerAIController"]
    assert found["heights"] == pytest.approx([1.13, 1.3])
    assert found["spawns"] > 10


def test_vehicles_obey_their_controls_as_the_ego_does(found):
    for name, (distance, speed) in {"car": driven(0.5, 0.0), "bicycle": driven(0.0, 4.0, (1.84, 0.66))}.items():
        assert found["moved"][name] == pytest.approx(distance, abs=1e-3)
        assert found["speeds"][name] == pytest.approx(speed, abs=0.15)
    assert found["told"][0] == pytest.approx(0.5)
    assert found["stopped"] == pytest.approx(0.0, abs=1e-3)
    assert found["reversed"] < -0.3


def test_walkers_walk_and_props_stand(found):
    assert found["moved"]["walker"] == pytest.approx(1.5, abs=1e-3)
    assert found["told"][1] == pytest.approx(1.5, abs=1e-3)
    assert found["speeds"]["walker"] == pytest.approx(1.5, abs=1e-3)
    assert found["faces"] == pytest.approx(1.0, abs=1e-3)
    assert found["moved"]["prop"] == 0.0
    assert found["gone"] == [True, True]
    assert found["left"] == 3


def test_what_cannot_be_is_refused_by_name(found):
    assert found["ego_at"] < 0.6
    assert "collision at spawn position" in found["twice"]
    assert "static.prop.ironplank lies flat" in found["flat"]
    assert "no navigation mesh; walk it by apply_control(carla.WalkerControl" in found["ai"]
    assert found["off_route"]
