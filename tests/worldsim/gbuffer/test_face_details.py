"""What faces of houses and vehicles show besides their colour, and that it is what the reference world paints."""

import numpy as np
import pytest
from camera_rays import pixel_rays
from layouts import car, layout_of, users_of

from worldsim.datatypes.camera import CameraGeometry, PinholeCamera
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import Part
from worldsim.gbuffer.face_details import Detail, band, openings, stripes
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import SurfaceChannel, SurfaceMap, draw_surfaces
from worldsim.gbuffer.view import View

LARGE = CameraGeometry().with_frame_size((512, 512))


def drawn(layout: Layout, users: RoadUsers | None = None, camera: PinholeCamera = LARGE) -> SurfaceMap:
    users = users or RoadUsers.none()
    scene = CameraScene(view=View(x=0.0, y=0.0, yaw=0.0), users=users, user_ids=np.arange(len(users.kinds)))
    return draw_surfaces(Rasterizer(camera), StaticWorld(layout), scene)


def detail(found: SurfaceMap, which: Detail) -> np.ndarray:
    return found.channels[SurfaceChannel.DETAILS + which]


def house(x: float) -> Layout:
    """Its front, 12 m wide and 9 m high, stands `x` metres ahead and faces the camera."""
    return layout_of(LayoutKind.BUILDING, (x + 4.0, 0.0, 0.0, np.pi, 8.0, 12.0, 9.0), seed=0)


def test_bands_and_stripes_are_averaged_over_the_pixel():
    assert band(0.5, 0.0, 1.0, 0.1) == pytest.approx(1.0)
    assert band(0.0, 0.0, 1.0, 0.2) == pytest.approx(0.5)
    xs = np.linspace(0.0, 10.0, 1001)
    exact = ((xs % 2.0 >= 0.5) & (xs % 2.0 <= 1.1)).mean()
    assert np.mean([stripes(x, 2.0, 0.5, 1.1, 0.01) for x in xs]) == pytest.approx(exact, abs=0.01)
    # over many periods they melt into their mean
    assert stripes(3.3, 2.0, 0.5, 1.1, 200.0) == pytest.approx(0.3, abs=0.01)


def test_a_front_has_rows_of_windows_and_one_door_in_its_middle():
    found = drawn(house(12.0))
    front = found.parts == Part.FRONT
    points = (LARGE.mount + pixel_rays(LARGE) * found.geometry.depth[..., None])[front]
    glass, frame, door = (detail(found, which)[front] for which in (Detail.GLASS, Detail.FRAME, Detail.DOOR))
    assert front.sum() > 10_000
    assert (glass + np.maximum(frame, door) <= 1.0 + 1e-6).all()
    # rows: at some heights there is none, at others there is much
    by_height = [glass[np.abs(points[:, 2] - z) < 0.05].mean() for z in np.arange(0.6, 8.0, 0.1)]
    assert min(by_height) == 0.0
    assert max(by_height) > 0.3
    assert (np.diff(np.array(by_height) > 0.1).astype(int) != 0).sum() >= 4
    # frames are beside glass, the door on the ground
    assert 0.02 < frame.mean() < glass.mean() < 0.35
    assert points[door > 0.5][:, 2].max() < 2.4
    assert np.ptp(points[door > 0.5][:, 1]) < 1.4
    assert glass[door > 0].max() < 1e-6


def test_what_is_far_shows_the_mean_of_what_is_near():
    near, far = (drawn(house(x)) for x in (12.0, 70.0))
    means = [detail(found, Detail.GLASS)[found.parts == Part.FRONT].mean() for found in (near, far)]
    assert means[1] == pytest.approx(means[0], abs=0.05)


@pytest.mark.parametrize("part", [Part.FRONT, Part.SIDE])
def test_shares_are_shares_whatever_the_face(part: Part):
    rng = np.random.default_rng(0)
    for _ in range(300):
        base, height = rng.uniform(2.0, 30.0), rng.uniform(2.0, 40.0)
        u, v, size = rng.uniform(0, base), rng.uniform(0, height), 10 ** rng.uniform(-2, 1)
        glass, frame, door = openings(int(part), u, v, size, size, base, height)
        assert min(glass, frame, door) >= -1e-9
        assert glass + max(frame, door) <= 1.0 + 1e-9  # a door hides the frames behind it


def test_brake_lights_are_told_where_they_are_and_only_of_who_brakes():
    found, braking = (drawn(Layout(), users_of(car(9.0), braking=brakes)) for brakes in (False, True))
    rear, window = found.parts == Part.CAR_REAR, found.parts == Part.CAR_REAR_WINDOW
    lamps = detail(found, Detail.LAMP)
    assert 0.05 < lamps[rear].mean() < 0.5
    columns = np.nonzero((lamps > 0.5) & rear)[1]
    assert columns.min() < 250 < 262 < columns.max()  # one on each side
    assert not detail(found, Detail.BRAKE_LIGHT).any()
    lit = detail(braking, Detail.BRAKE_LIGHT)
    assert np.array_equal(lit[rear], lamps[rear])
    assert lit[window].max() > 0.5  # the third one
    assert not lit[~(rear | window)].any()
    assert detail(found, Detail.GLASS)[window].mean() > 0.4


def test_ground_sky_and_trees_have_none():
    found = drawn(layout_of(LayoutKind.TREE, (15.0, -3.0, 0.0, 0.0, 4.0, 4.0, 6.0)))
    assert not found.channels[SurfaceChannel.DETAILS : SurfaceChannel.DETAILS + len(Detail)].any()
