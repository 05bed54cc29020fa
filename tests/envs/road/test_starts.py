"""Where an episode begins: with road ahead, at a speed its curves allow; else the map is refused in plain words."""

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section

from envs.road.config import RoadWorldConfig
from envs.road.episode_start import START_LATERAL
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_map_scene


def empty_world() -> RoadWorld:
    return RoadWorld(RoadWorldConfig(num_vehicles=0, num_pedestrians=0, parked_share=0.0))


def test_a_map_with_roads_too_short_to_start_on_says_so() -> None:
    short = opendrive(road("1", 8, [section(0, lane(-1))]), road("2", 6, [section(0, lane(-1))], start=(0, 50, 0)))
    message = r"no lane is long enough to start on: 10 m of road are needed, the longest has 8.0 m"
    with pytest.raises(ValueError, match=message):
        empty_world().reset(0, {"map": short})


def test_a_start_far_from_a_junction_that_is_not_there_says_what_there_is() -> None:
    scene = load_map_scene(opendrive(road("1", 100, [section(0, lane(-1))])))
    with pytest.raises(ValueError, match=r"510 m of road before a junction are needed, the longest .* has (9\d|100) m"):
        scene.draw_start(500.0, np.random.default_rng(0))


def test_a_map_without_room_for_the_car_is_refused() -> None:
    wedge = '<width sOffset="0" a="0" b="0.12" c="0" d="0"/>'
    narrow = opendrive(road("1", 14, [section(0, lane(-1, inside=wedge))]))
    with pytest.raises(ValueError, match=r"in each of 20 tries the car left the road or touched something within "):
        empty_world().reset(0, {"map": narrow})


def test_nobody_starts_faster_than_the_curve_ahead_allows() -> None:
    radius = 60.0
    ring = road(
        "ring",
        2 * np.pi * radius,
        [section(0, lane(-1, before=-1, after=-1))],
        shape=f'<arc curvature="{1 / radius}"/>',
        link='<predecessor elementType="road" elementId="ring" contactPoint="end"/>'
        '<successor elementType="road" elementId="ring" contactPoint="start"/>',
        types='<type s="0" type="motorway"/>',
    )
    world, fastest = empty_world(), np.sqrt(START_LATERAL * (radius + 1.75))
    speeds = [float(world.reset(seed, {"map": opendrive(ring)}).scene.speed) for seed in range(8)]
    assert max(speeds) <= 1.1 * fastest  # 130 km/h are allowed, 36 m/s
    assert max(speeds) > 8
