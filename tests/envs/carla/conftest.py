"""A bridge over the reference world for each file of tests, and a CarlaWorld in it."""

import pytest
from bridge_process import SMALL_ROAD, serving
from carla_worlds import carla_config

from envs.carla.carla_world import CarlaWorld


@pytest.fixture(scope="module")
def bridge():
    with serving(*SMALL_ROAD) as running:
        yield running


@pytest.fixture(scope="module")
def carla_world(bridge):
    world = CarlaWorld(carla_config(bridge.port))
    yield world
    world.close()
