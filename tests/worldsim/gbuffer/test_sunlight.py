"""Sunlight on surfaces, in scenes that can be worked out by hand: faces, the ground in and out of shadows, the sky."""

import numpy as np
import pytest
from camera_rays import pixel_rays
from layouts import car, layout_of, users_of

from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import NO_PART
from worldsim.gbuffer.rasterizer import NUM_SHADOWS, Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import SUN_KNOWN, SurfaceChannel, SurfaceMap, draw_surfaces
from worldsim.gbuffer.view import View

WALL = layout_of(LayoutKind.WALL, (20.0, 0.0, 0.0, 0.0, 8.0, 10.0, 6.0))
"""It reaches from x = 16 to 24, from y = -5 to 5."""
FROM_LEFT = np.array([0.0, 0.6, 0.8])
BELOW = np.array([0.6, 0.0, -0.8])
CAMERA = PinholeCamera()


def surfaces(sun: np.ndarray | None, layout: Layout | None = None, users: RoadUsers | None = None,
             view: View | None = None) -> SurfaceMap:  # fmt: skip
    users = users or RoadUsers.none()
    scene = CameraScene(
        view=view or View(x=0.0, y=0.0, yaw=0.0), users=users, user_ids=np.arange(len(users.kinds)), sun=sun
    )
    return draw_surfaces(Rasterizer(CAMERA), StaticWorld(Layout() if layout is None else layout), scene)


def sunlight(found: SurfaceMap) -> np.ndarray:
    return found.channels[SurfaceChannel.SUNLIGHT]


def sky(found: SurfaceMap) -> np.ndarray:
    return np.isinf(found.geometry.depth)


def ground(found: SurfaceMap) -> np.ndarray:
    """Pixels whose whole area shows the ground."""
    return (found.parts == NO_PART) & ~sky(found) & ~found.geometry.mixed


def places(found: SurfaceMap) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the points at the pixels [m], [h, w] each."""
    points = CAMERA.mount + pixel_rays(CAMERA) * np.where(sky(found), 1.0, found.geometry.depth)[..., None]
    return points[..., 0], points[..., 1]


@pytest.mark.parametrize(("sun", "cosine"), [
    ((-0.6, 0.0, 0.8), 0.6), ((0.6, 0.0, 0.8), -0.6), ((-1.0, 0.0, 0.0), 0.0), ((0.6, 0.0, -0.8), -0.6),
    ((-0.6, 0.0, -0.8), 0.0),
])  # fmt: skip
def test_a_face_shines_as_far_as_it_is_turned_to_the_sun_and_by_night_none_does(
    sun: tuple[float, float, float], cosine: float
) -> None:
    found = surfaces(np.array(sun), WALL)
    face = found.parts != NO_PART
    assert face.sum() > 500
    assert sunlight(found)[face] == pytest.approx(cosine, abs=1e-5)


@pytest.mark.parametrize(("sun", "expected"), [(FROM_LEFT, 0.8), (BELOW, -0.8)])
def test_open_ground_shines_by_the_suns_height(sun: np.ndarray, expected: float) -> None:
    found = surfaces(sun)
    assert sunlight(found)[ground(found)] == pytest.approx(expected, abs=1e-5)


def test_the_ground_is_dark_in_the_shadow_of_a_wall_and_nowhere_else() -> None:
    """Of 6 m, nine tenths count: the shadow is 0.9 * 6 * 0.6 / 0.8 = 4.05 m long, to the right."""
    found = surfaces(FROM_LEFT, WALL)
    x, y = places(found)
    shadow = ground(found) & (x > 17) & (x < 23) & (y > -8) & (y < -6)
    assert shadow.sum() > 10
    assert sunlight(found)[shadow] == pytest.approx(0.0, abs=0.02)
    near = (x > 14) & (x < 26) & (y > -11) & (y < 7)
    assert sunlight(found)[ground(found) & ~near] == pytest.approx(0.8, abs=1e-3)

    by_night = surfaces(BELOW, WALL)
    assert sunlight(by_night)[ground(by_night)] == pytest.approx(-0.8, abs=1e-5)


def test_shadows_lie_where_they_are_a_thousand_kilometres_away_too() -> None:
    far = np.array([1e6, -1e6, 0, 0, 0, 0, 0])
    there = layout_of(LayoutKind.WALL, tuple(WALL.boxes[0] + far))
    a, b = surfaces(FROM_LEFT, WALL), surfaces(FROM_LEFT, there, view=View(x=1e6, y=-1e6, yaw=0.0))
    assert np.abs(sunlight(a) - sunlight(b)).max() < 0.02


def test_the_ground_is_dark_in_the_shadow_of_a_car_and_not_on_its_other_side() -> None:
    """Half the car's height shifts its shadow by 0.5 * 1.5 * 0.6 / 0.8 = 0.56 m to the right."""
    found = surfaces(FROM_LEFT, users=users_of(car(9.0)))
    x, y = places(found)
    beside = ground(found) & (np.abs(x - 9.0) < 2.0)
    right, left = beside & (y > -1.5) & (y < -1.1), beside & (y > 1.45) & (y < 2.0)
    assert min(right.sum(), left.sum()) > 3
    assert sunlight(found)[right] == pytest.approx(0.0, abs=1e-3)
    assert sunlight(found)[left] == pytest.approx(0.8, abs=0.01)
    assert sunlight(found)[beside & (np.abs(y) > 3.0)] == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("sun", [np.array([0.96, 0.0, 0.28]), FROM_LEFT, BELOW, np.array([-1.0, 0.0, 0.0])])
def test_the_sky_tells_how_near_the_sun_is(sun: np.ndarray) -> None:
    found = surfaces(sun)
    rays = pixel_rays(CAMERA)[sky(found)]
    angles = np.arccos(rays @ sun / np.linalg.norm(rays, axis=-1))
    assert sunlight(found)[sky(found)] == pytest.approx(1.0 - angles / (np.pi / 2), abs=2e-3)


def test_an_unknown_sun_is_told_and_shines_on_nothing() -> None:
    known, unknown = surfaces(FROM_LEFT, WALL), surfaces(None, WALL)
    assert (known.channels[SUN_KNOWN] == 1.0).all()
    told = np.ones(len(known.channels), bool)
    told[[SurfaceChannel.SUNLIGHT, SUN_KNOWN]] = False
    assert np.array_equal(known.channels[told], unknown.channels[told])
    assert not unknown.channels[~told].any()
    assert np.array_equal(known.without_sun().channels, unknown.channels)
    assert known.channels[~told].any()


@pytest.mark.parametrize("sun", [(0.0, 0.0, 2.0), (0.0, 0.0, 0.0), (np.nan, 0.0, 1.0), (0.0, 1.0)])
def test_what_is_no_direction_is_refused(sun: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"sun must be a unit vector \[3\] towards the sun, got \["):
        surfaces(np.array(sun))


def test_shadows_are_kept_of_the_last_suns() -> None:
    world = StaticWorld(WALL)
    suns = [np.array([np.cos(a), 0.0, np.sin(a)]) for a in np.linspace(0.2, 1.4, NUM_SHADOWS + 1)]
    shadows = [world.shadow(sun) for sun in suns[:NUM_SHADOWS]]
    assert world.shadow(suns[0].copy()) is shadows[0]
    world.shadow(suns[NUM_SHADOWS])
    assert world.shadow(suns[0]) is shadows[0]
    assert world.shadow(suns[1]) is not shadows[1]
