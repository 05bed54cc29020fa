"""Who is the ego of a served world when somebody else is meant to be, or finds no room."""

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


def served() -> Bridge:
    return Bridge(RoadSimulation(EMPTY, first_map="Town_001"), layout_of("0.9.16"), ())


def spawn(bridge: Bridge, index: int = 0, **attributes: str) -> BridgeActor:
    """A car at one of the map's spawn points."""
    x, y, yaw = poses_to_carla(bridge.simulation.spawn_poses)[index].tolist()
    description = [0, "vehicle.tesla.model3", [[name, 4, value] for name, value in attributes.items()]]
    return bridge.registry.spawn(description, [[x, y, 0.0], [0.0, yaw, 0.0]])


def test_an_ego_that_was_driven_stays_it_when_who_is_meant_finds_no_room():
    bridge = served()
    car = spawn(bridge, role_name="autopilot")
    car.obey(FULL_BRAKE)
    bridge.registry.ego_choice.drive(car)
    assert bridge.registry.ego is car
    before = bridge.simulation.observe().vehicle
    with pytest.raises(RefusedError, match=rf"collision at spawn position: actor {car.id} \(vehicle.tesla.model3\) is"):
        spawn(bridge, role_name="hero")
    assert bridge.registry.ego is car
    assert bridge.registry.road_users == {}
    assert bridge.simulation.observe().vehicle.tolist() == pytest.approx(before.tolist())


@pytest.mark.parametrize(("attributes", "why"), [
    ({"role_name": "hero", "seed": "3"}, "role_name 'hero'"),
    ({"role_name": "autopilot", "seed": "3"}, "seed 3"),
    ({"traffic": "false"}, "traffic 'false'"),
])  # fmt: skip
def test_a_second_one_is_told_by_which_attribute_either_is_meant(attributes, why):
    bridge = served()
    spawn(bridge, **attributes)
    with pytest.raises(RefusedError, match=rf"cannot be the ego by {why}: this world has one, .* by {why}, and"):
        spawn(bridge, 20, **attributes)
