"""Roads above each other behind the bridge: clients are told heights, and who is on another level is not met."""

import numpy as np
import pytest
from places import SHARED_DATA

from envs.carla.versions import layout_of
from envs.carla_bridge.actor_records import actor_records
from envs.carla_bridge.actor_registry import ActorRegistry
from envs.carla_bridge.road_simulation import RoadSimulation
from envs.carla_bridge.simulation import SpawnedActor
from envs.road.config import RoadWorldConfig
from worldsim.datatypes.scene import ObjectKind

OVERPASS = SHARED_DATA.parent / "cases/maps/xodr-overpass.xodr"
pytestmark = pytest.mark.skipif(not OVERPASS.is_file(), reason=f"no map at {OVERPASS}")
ON_BRIDGE, HEIGHT = (1.75, -30.0, np.pi / 2), 8.0
THROTTLE = np.array([0.0, 0.6, 0.0, 0.0], np.float32)
EMPTY = RoadWorldConfig(frame_size=(16, 16), num_vehicles=0, num_pedestrians=0, parked_share=0.0)


def car(z: float) -> SpawnedActor:
    """A car on the place where the roads cross, on the upper or the lower one."""
    return SpawnedActor(
        key=-7,
        kind=ObjectKind.CAR,
        pose=(1.75, -1.75, np.pi / 2),
        z=z,
        size=(4.5, 1.9, 1.5),
        color=(1, 2, 3),
        braking=False,
    )


@pytest.fixture
def simulation() -> RoadSimulation:
    simulation = RoadSimulation(EMPTY, (OVERPASS,))
    simulation.begin(ON_BRIDGE, 0, False)
    return simulation


@pytest.mark.parametrize(("z", "height", "met"), [(7.5, HEIGHT, True), (0.3, 0.0, False)])
def test_a_spawned_car_stands_on_the_level_of_its_height(simulation, z, height, met):
    simulation.place([car(z)])
    collided = []
    for _ in range(100):
        simulation.step(THROTTLE)
        tick = simulation.observe()
        collided.append(tick.collided)
        if tick.collided or tick.vehicle[1] > 10.0:
            break
    assert tick.z == pytest.approx(HEIGHT)
    np.testing.assert_allclose(tick.objects.z, [height], atol=1e-6)
    assert any(collided) == met
    assert tick.collided_with == (-7 if met else -1)


def test_there_is_room_below_a_car_but_not_in_it(simulation):
    simulation.check_spawn(car(0.0), [car(HEIGHT)])
    with pytest.raises(ValueError, match="collision"):
        simulation.check_spawn(car(HEIGHT), [car(HEIGHT)])


def test_records_tell_heights(simulation):
    registry = ActorRegistry(simulation, layout_of("0.9.16"))
    registry.spawn([0, "vehicle.nissan.patrol", [["role_name", 4, "hero"]]], [[1.75, 30.0, 0.0], [0.0, -90.0, 0.0]])
    simulation.place([car(0.0)])
    simulation.step(THROTTLE)
    records = actor_records(registry, simulation.observe())
    assert records["location"][-2:, 2] == pytest.approx([HEIGHT, 0.0])
