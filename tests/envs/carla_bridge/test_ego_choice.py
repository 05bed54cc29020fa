"""Who is the ego of a served world when somebody who is meant to be finds no room."""

import pytest

from envs.carla.coordinates import poses_to_carla
from envs.carla.versions import layout_of
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.bridge_actor import BridgeActor
from envs.carla_bridge.drive_commands import FULL_BRAKE
from envs.carla_bridge.road_simulation import RoadSimulation
from envs.carla_bridge.rpc import RefusedError
from envs.road.config import RoadWorldConfig

EMPTY = RoadWorldConfig(frame_size=(16, 16), num_vehicles=0, num_pedestrians=0, parked_share=0.0)


def spawn(bridge: Bridge, role: str) -> BridgeActor:
    """A car at the map's first spawn point."""
    x, y, yaw = poses_to_carla(bridge.simulation.spawn_poses)[0].tolist()
    description = [0, "vehicle.tesla.model3", [["role_name", 4, role]]]
    return bridge.registry.spawn(description, [[x, y, 0.0], [0.0, yaw, 0.0]])


def test_an_ego_that_was_driven_stays_it_when_who_is_meant_finds_no_room():
    bridge = Bridge(RoadSimulation(EMPTY, first_map="Town_001"), layout_of("0.9.16"), ())
    car = spawn(bridge, "autopilot")
    car.obey(FULL_BRAKE)
    bridge.registry.ego_choice.drive(car)
    assert bridge.registry.ego is car
    before = bridge.simulation.observe().vehicle
    with pytest.raises(RefusedError, match=rf"collision at spawn position: actor {car.id} \(vehicle.tesla.model3\) is"):
        spawn(bridge, "hero")
    assert bridge.registry.ego is car
    assert bridge.registry.road_users == {}
    assert bridge.simulation.observe().vehicle.tolist() == pytest.approx(before.tolist())
