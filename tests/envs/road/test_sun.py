"""The reference world tells where its sun stands: in what its camera sees and in its start clips."""

from collections.abc import Iterator

import numpy as np
import pytest
from small_worlds import SMALL

from envs.road.episode_start import draw_town_and_weather
from envs.road.rendering.weather import WEATHERS, Weather, weather_shares
from envs.road.road_world import RoadWorld
from worldsim.datatypes.scene import control_from_action


@pytest.fixture(scope="module")
def world() -> Iterator[RoadWorld]:
    world = RoadWorld(SMALL)
    yield world
    world.close()


def test_the_sun_is_that_of_the_weather_for_a_whole_episode(world: RoadWorld) -> None:
    world.reset(3, {"town": 2})
    sun = world.snapshot().look.sun_direction
    assert np.linalg.norm(sun) == pytest.approx(1.0)
    for _ in range(2):
        assert np.array_equal(world.camera_scene().sun, sun)
        assert np.array_equal(world.start_clip(pictures=False).sun, sun)
        world.step(control_from_action(np.zeros(2)))


def test_every_episode_has_its_sun_and_the_same_seed_the_same(world: RoadWorld) -> None:
    suns = []
    for seed in (3, 4, 3):
        world.reset(seed, {"town": 2})
        suns.append(world.camera_scene().sun)
    assert np.array_equal(suns[0], suns[2])
    assert not np.allclose(suns[0], suns[1], atol=0.05)


def test_a_seed_tells_the_weather_and_of_what_it_is_mixed(world: RoadWorld) -> None:
    step = world.reset(5, {})
    town, seed = draw_town_and_weather(np.random.default_rng(5), world.config.num_towns)
    assert (step.info["town"], step.info["weather_seed"]) == (town, seed)
    for seed in range(20):
        shares, weather = weather_shares(seed), Weather.from_seed(seed)
        assert shares.sum() == pytest.approx(1.0)
        assert shares.max() >= 0.7
        assert weather.visibility == pytest.approx(shares @ [each.visibility for each in WEATHERS])
