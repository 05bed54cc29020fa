"""Whoever would be where somebody is put among the traffic, comes later and elsewhere."""

import numpy as np

from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.road.traffic.room import make_room
from worldsim.datatypes.boxes import overlap


def test_drivers_walkers_and_the_parked_make_room():
    world = RoadWorld(RoadWorldConfig(frame_size=(16, 16), num_context=1))
    world.reset(0, {"town": 1})
    episode = world.snapshot()
    traffic = episode.traffic
    on_map = np.flatnonzero(np.abs(traffic.objects.boxes[:, 0]) < 1e4)
    first = traffic.external_rows.stop
    walkers = on_map[(on_map >= first) & (on_map < traffic.parked_rows.start)]
    chosen = [on_map[0], walkers[0], traffic.parked_rows.start]
    taken, heights = traffic.objects.boxes[chosen], traffic.heights_of_ground[chosen]
    num_parked = len(traffic.parked)

    before = traffic.objects.boxes.copy()
    make_room(traffic, taken, heights + 8.0)  # on a bridge above them
    np.testing.assert_array_equal(traffic.objects.boxes, before)
    assert len(traffic.parked) == num_parked

    make_room(traffic, taken, heights)
    world.restore(episode)
    world.step(np.zeros(4, np.float32))
    now = world.snapshot().traffic
    assert not overlap(now.objects.boxes[:, None], taken[None]).any()
    assert num_parked - 1 >= len(now.parked) > num_parked - 4
    assert len(now.kinds) == len(now.heights) == len(now.objects.boxes) == len(now.colors)
