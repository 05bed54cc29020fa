"""Of ground that is kept deflated a camera sees the same as of the whole, and what is at hand is little."""

import numpy as np
import pytest

from tests.support.layouts import with_road
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import AreaKind, Layout, LineColor, LineKind, join_polylines
from worldsim.gbuffer.ground import GroundRaster
from worldsim.gbuffer.ground_windows import SECTOR, SQUARE, GroundWindows
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

CAMERA = PinholeCamera()


def painted_town() -> Layout:
    """A square of 300 m full of crosswise lines of all directions."""
    rng = np.random.default_rng(0)
    lines = [np.cumsum(rng.normal(0.0, 8.0, (30, 2)), axis=0) + rng.uniform(0.0, 300.0, 2) for _ in range(60)]
    outline, starts = join_polylines([np.array([(0.0, 0.0), (300.0, 0.0), (300.0, 300.0), (0.0, 300.0)])])
    line_points, line_starts = join_polylines(lines)
    return Layout(
        area_points=outline,
        area_starts=starts,
        area_kinds=np.array([AreaKind.DRIVABLE]),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.full(60, LineKind.BROKEN, np.int64),
        line_colors=rng.integers(0, 2, 60) * int(LineColor.YELLOW),
        line_widths=np.full(60, 0.2, np.float32),
    )


TOWN = painted_town()
VIEWS = [View(x=x, y=y, yaw=yaw) for x, y, yaw in ((150.0, 150.0, 0.3), (159.9, 160.1, 2.5), (40.0, 260.0, -1.0))]
VIEWS += [View(x=150.0 + k, y=150.0 - k, yaw=k * 0.49 * SECTOR) for k in range(0, 17, 3)]


def size_of(ground: GroundRaster) -> int:
    return ground.cells.nbytes + ground.blocks.nbytes


@pytest.mark.parametrize(
    "camera", [CAMERA, PinholeCamera(width_px=256, height_px=192, fov=0.6, pitch=0.4), PinholeCamera(pitch=1.4)]
)
def test_a_camera_sees_the_same(camera: PinholeCamera) -> None:
    rasterizer, whole, windowed = Rasterizer(camera), StaticWorld(TOWN), StaticWorld(TOWN, windowed=True)
    for view in VIEWS:
        canvas = rasterizer.draw(whole, RoadUsers.none(), view)
        expected, found = (rasterizer.gbuffer(canvas, world.ground(canvas.camera)) for world in (whole, windowed))
        for name, value in vars(expected).items():
            assert np.array_equal(getattr(found, name), value), name


def test_of_what_is_far_little_is_at_hand() -> None:
    canvas = Rasterizer(CAMERA).draw(StaticWorld(TOWN), RoadUsers.none(), VIEWS[0])
    whole = GroundRaster.of_layout(TOWN)
    assert size_of(GroundWindows(whole).near(canvas.camera)) < 0.2 * size_of(whole)


def test_windows_that_cameras_have_left_are_let_go() -> None:
    windows, rasterizer = GroundWindows(GroundRaster.of_layout(TOWN)), Rasterizer(CAMERA)
    world = StaticWorld(with_road(Layout()))

    def at(x: float, yaw: float = 0.0) -> np.ndarray:
        return rasterizer.draw(world, RoadUsers.none(), View(x=x, y=0.5 * SQUARE, yaw=yaw)).camera

    first = windows.near(at(0.0))
    assert windows.near(at(1.0, 0.4 * SECTOR)) is windows.near(at(1.0, -0.4 * SECTOR)) is first
    # two drives ask by turns: both windows stay
    other = windows.near(at(5 * SQUARE))
    for _ in range(5):
        assert windows.near(at(0.0)) is first
        assert windows.near(at(5 * SQUARE)) is other
    for k in range(4):
        assert windows.near(at(5 * SQUARE, SECTOR * (k % 2))) is not first
    assert windows.near(at(0.0)) is not first


def test_the_whole_comes_back_as_it_was() -> None:
    ground = GroundRaster.of_layout(TOWN)
    again = GroundWindows(ground).whole()
    for name, value in vars(ground).items():
        assert np.array_equal(getattr(again, name), value), name
