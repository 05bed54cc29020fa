"""Where the sun stands, from CARLA's weather to the ground frame and back."""

import carla
import numpy as np
import pytest

from envs.carla.weather import sun_angles, sun_direction


def weather(azimuth: float, altitude: float) -> carla.WeatherParameters:
    return carla.WeatherParameters(sun_azimuth_angle=azimuth, sun_altitude_angle=altitude)


@pytest.mark.parametrize(
    ("azimuth", "altitude", "expected"),
    [
        (0.0, 0.0, (-1.0, 0.0, 0.0)),  # its light shines along x
        (90.0, 0.0, (0.0, 1.0, 0.0)),  # to the right: it stands on the left
        (0.0, 90.0, (0.0, 0.0, 1.0)),
        (30.0, -90.0, (0.0, 0.0, -1.0)),
        (170.0, 25.0, (0.893, 0.157, 0.423)),  # as CARLA's developers measured it, but for y, which is left here
    ],
)
def test_the_sun_stands_where_its_light_comes_from(azimuth, altitude, expected):
    direction = sun_direction(weather(azimuth, altitude))
    np.testing.assert_allclose(direction, expected, atol=1e-3)
    assert np.linalg.norm(direction) == pytest.approx(1.0)


def test_angles_give_the_direction_back():
    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(20, 3)):
        direction /= np.linalg.norm(direction)
        azimuth, altitude = sun_angles(direction)
        assert 0.0 <= azimuth < 360.0
        np.testing.assert_allclose(sun_direction(weather(azimuth, altitude)), direction, atol=1e-6)
