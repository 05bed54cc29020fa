"""Where road users of a scene come from."""

import numpy as np
import pytest

from envs.maps.road_map import load_town
from envs.scripted_actors import ActorState
from scenarios.openscenario.network import Network
from scenarios.scenic.maps import back_in_time, ground_height
from worldsim.datatypes.scene import ObjectKind


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(load_town(3))


def test_cars_come_along_their_lane(network):
    key = max(network.map.lane_keys, key=lambda key: network.map.lanes[key].length)
    for s in (2.0, 11.3, network.map.lanes[key].length - 2.0):
        lane = network.map.point_on(key, s)
        car = ActorState(s=lane.x, lateral=lane.y, speed=8.0, heading=lane.yaw + 0.05)
        before = back_in_time(car, network, -0.7)
        assert np.hypot(before.s - car.s, before.lateral - car.lateral) == pytest.approx(5.6, abs=0.15)
        under = network.map.lane_at(np.array([before.s, before.lateral]))
        assert under is not None
        assert under.distance < 0.2
        assert before.heading - under.yaw == pytest.approx(0.05, abs=0.02)
    assert back_in_time(car, network, 0.0) == car


def test_pedestrians_come_straight_on(network):
    walker = ActorState(s=5.0, lateral=6.0, speed=2.0, heading=np.pi / 2, kind=ObjectKind.PEDESTRIAN)
    before = back_in_time(walker, network, -0.5)
    assert (before.s, before.lateral) == pytest.approx((5.0, 5.0))


def test_flat_maps_lie_at_height_zero(network):
    assert ground_height(network, 0.0, 0.0, 3.0) == 0.0
