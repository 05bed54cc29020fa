"""Ground with hills and a bridge: depths of slopes, what passes below, boxes and cameras on their own level."""

import cv2
import numpy as np
import pytest
from camera_rays import pixel_rays

from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import AreaKind, Layout, join_polylines
from worldsim.gbuffer.classes import GROUND_ID, SemanticClass
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.terrain import Terrain
from worldsim.gbuffer.view import View

CAMERA = PinholeCamera()


def layout_of_roads(*outlines: np.ndarray) -> Layout:
    points, starts = join_polylines(outlines)
    kinds = np.full(len(outlines), AreaKind.DRIVABLE, np.int64)
    return Layout(area_points=points, area_starts=starts, area_kinds=kinds)


def road_along_x(z) -> np.ndarray:
    """10 m wide, z as a function of x."""
    x = np.arange(-60.0, 301.0, 5.0)
    left, right = (np.stack([x, np.full(len(x), y), z(x)], axis=1) for y in (5.0, -5.0))
    return np.concatenate([left, right[::-1]])


def bridge(z: float) -> np.ndarray:
    y = np.arange(-100.0, 101.0, 5.0)
    left, right = (np.stack([np.full(len(y), x), y, np.full(len(y), z)], axis=1) for x in (35.0, 45.0))
    return np.concatenate([left, right[::-1]])


def gbuffer(layout: Layout, view: View) -> GBuffer:
    rasterizer, world = Rasterizer(CAMERA), StaticWorld(layout)
    canvas = rasterizer.draw(world, RoadUsers.none(), view)
    return rasterizer.gbuffer(canvas, world.ground(canvas.camera))


def test_flat_ground_is_told_from_hills():
    assert Terrain.of_layout(layout_of_roads(road_along_x(lambda x: 0.0 * x))).is_flat
    hills = Terrain.of_layout(layout_of_roads(road_along_x(lambda x: 3 * np.sin(x / 50))))
    assert not hills.is_flat
    x = np.linspace(0, 200, 50)
    on_road = np.stack([x, np.full(50, 1.5)], axis=1)
    assert hills.height(on_road) == pytest.approx(3 * np.sin(x / 50), abs=0.05)
    assert np.isnan(hills.deck).all()


@pytest.mark.parametrize("slope", [0.05, -0.05])
def test_a_slope_has_the_depth_of_its_plane(slope: float):
    layout = layout_of_roads(road_along_x(lambda x: slope * x + 2.0))
    found = gbuffer(layout, View(x=0.0, y=0.0, yaw=0.0, z=2.0))
    rays = pixel_rays(CAMERA)
    t = (CAMERA.mount_height - slope * CAMERA.mount_x) / (slope * rays[..., 0] - rays[..., 2])
    point = CAMERA.mount + rays * t[..., None]
    on_road = (t > 0) & (np.abs(point[..., 1]) < 4.5) & (point[..., 0] < 80.0)
    assert on_road.sum() > 1000
    assert (found.ids[on_road] == GROUND_ID).all()
    assert found.depth[on_road] == pytest.approx(t[on_road], rel=0.01)


def test_on_a_slope_with_its_grade_the_picture_is_that_of_flat_ground():
    slope = 0.08
    layout = layout_of_roads(road_along_x(lambda x: slope * x + 2.0))
    found = gbuffer(layout, View(x=0.0, y=0.0, yaw=0.0, z=2.0, grade=float(np.arctan(slope))))
    flat = gbuffer(layout_of_roads(road_along_x(lambda x: 0.0 * x)), View(x=0.0, y=0.0, yaw=0.0))
    road = (flat.kinds == SemanticClass.ROAD) & (flat.depth < 60)
    assert found.depth[road] == pytest.approx(flat.depth[road], rel=0.02)
    assert (found.kinds[road] == SemanticClass.ROAD).mean() > 0.98


def test_a_bridge_is_seen_from_below_and_from_above():
    layout = layout_of_roads(road_along_x(lambda x: 0.0 * x), bridge(6.0))
    below = gbuffer(layout, View(x=0.0, y=0.0, yaw=0.0))
    rays = pixel_rays(CAMERA)
    # straight ahead the road goes on below the bridge
    row = int(CAMERA.project(np.array([[60.0, 0.0, 0.0]]))[0][0, 1])
    assert below.depth[row, 64] == pytest.approx(-CAMERA.mount_height / rays[row, 64, 2], rel=0.02)
    # its side hangs at x = 35, a little below its height
    side = CAMERA.project(np.array([[35.0, 0.0, 5.6]]))[0][0]
    assert below.depth[int(side[1]), int(side[0])] == pytest.approx(35.0 - CAMERA.mount_x, abs=1.5)

    above = gbuffer(layout, View(x=40.0, y=-20.0, yaw=np.pi / 2, z=6.0))
    ahead = CAMERA.project(np.array([[20.0, 0.0, 0.0]]))[0][0]
    assert above.depth[int(ahead[1]), int(ahead[0])] == pytest.approx(20.0 - CAMERA.mount_x, rel=0.06)
    assert above.ids[int(ahead[1]), int(ahead[0])] == GROUND_ID
    assert above.kinds[int(ahead[1]), int(ahead[0])] == SemanticClass.ROAD


def test_a_bridge_covers_its_pixels_as_what_is_painted_on_it():
    """Where a pixel shows more than one surface too, within its rims, which are of another class."""
    layout = layout_of_roads(road_along_x(lambda x: 0.0 * x), bridge(6.0))
    found = gbuffer(layout, View(x=40.0, y=-60.0, yaw=np.pi / 2, z=6.0))
    road = (found.kinds == SemanticClass.ROAD).astype(np.uint8)
    on_deck = cv2.erode(road, np.ones((3, 3), np.uint8)) > 0
    assert on_deck.sum() > 1000
    assert not found.coverage[on_deck][:, SemanticClass.OTHER].any()
    assert (found.coverage.sum(-1, dtype=int) == 255).all()


def test_points_that_make_no_line_are_no_ground():
    points, starts = join_polylines([np.array([[0.0, 0.0, 5.0]])])
    kinds = np.zeros(1, np.int64)
    layout = Layout(
        line_points=points, line_starts=starts, line_kinds=kinds, line_colors=kinds, line_widths=np.ones(1, np.float32)
    )
    assert Terrain.of_layout(layout).is_flat
