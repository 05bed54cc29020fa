"""The rasteriser: depths that can be worked out by hand, occlusion, coverage, the same bits everywhere."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from camera_rays import pixel_rays
from layouts import car, layout_of, users_of, with_road
from places import environment

from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.datatypes.scene import ObjectKind
from worldsim.gbuffer.classes import GROUND_ID, SKY_ID, SemanticClass
from worldsim.gbuffer.gbuffer import GBuffer
from worldsim.gbuffer.rasterizer import Rasterizer, RasterizerConfig, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

CAMERA = PinholeCamera()
LEVEL = PinholeCamera(pitch=0.0)
HERE = View(x=0.0, y=0.0, yaw=0.0)


def gbuffer(
    layout: Layout, users: RoadUsers | None = None, view: View = HERE, camera: PinholeCamera = CAMERA,
    supersampling: int = 2,
) -> GBuffer:  # fmt: skip
    rasterizer, world = Rasterizer(camera, RasterizerConfig(supersampling=supersampling)), StaticWorld(layout)
    canvas = rasterizer.draw(world, users or RoadUsers.none(), view)
    return rasterizer.gbuffer(canvas, world.ground(canvas.camera))


def test_an_empty_scene_is_ground_and_sky_with_the_depth_of_a_plane():
    found = gbuffer(Layout())
    up = pixel_rays(CAMERA)[..., 2]
    ground = found.ids == GROUND_ID
    expected = CAMERA.mount_height / -up[ground]
    assert found.depth[ground] == pytest.approx(expected, rel=1e-5)
    assert np.isinf(found.depth[found.ids == SKY_ID]).all()
    assert (ground == (CAMERA.mount_height / np.maximum(-up, 1e-9) < 600.0)).mean() > 0.999
    at = CAMERA.mount[:2] + pixel_rays(CAMERA)[..., :2] * found.depth[..., None]
    assert found.coordinates[ground] == pytest.approx(at[ground], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (3.0, -2.0, 0.3), (-1.0, 4.0, -0.4)])
def test_a_box_has_the_depth_of_its_planes(pose: tuple[float, float, float]):
    """A box of OTHER from x 20 to 24: its face towards the camera is the plane x = 20."""
    layout = layout_of(LayoutKind.OTHER, (22.0, 0.0, 0.0, 0.0, 4.0, 8.0, 5.0))
    found = gbuffer(layout, view=View(x=pose[0], y=pose[1], yaw=pose[2]))
    c, s = np.cos(pose[2]), np.sin(pose[2])
    direction = pixel_rays(CAMERA) @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    origin = np.array([pose[0] + c * CAMERA.mount_x, pose[1] + s * CAMERA.mount_x, CAMERA.mount_height])
    t = (20.0 - origin[0]) / direction[..., 0]
    point = origin + t[..., None] * direction
    front = (np.abs(point[..., 1]) < 3.8) & (point[..., 2] > 0.2) & (point[..., 2] < 4.8)
    assert front.sum() > 100
    assert (found.ids[front] == 0).all()
    assert found.depth[front] == pytest.approx(t[front], rel=1e-5)
    # as seen from outside the base runs from the left, y = 4, to the right
    assert found.coordinates[front] == pytest.approx(
        np.stack([4.0 - point[..., 1], point[..., 2]], axis=-1)[front], abs=2e-3
    )
    expected = np.abs(direction[..., 0]) / np.linalg.norm(direction, axis=-1)
    assert found.facing[front] == pytest.approx(expected[front], abs=1e-4)


def test_the_crown_of_a_tree_has_the_depth_of_an_ellipsoid():
    layout = layout_of(LayoutKind.TREE, (15.0, 0.0, 0.0, 0.0, 4.0, 4.0, 8.0), seed=1)
    found = gbuffer(layout, camera=LEVEL)
    top = 8.0 - 0.8 * 2.0  # the middle of the uppermost ellipsoid, of radius 0.8 * 2
    direction = pixel_rays(LEVEL)
    offset = np.array([15.0 - LEVEL.mount_x, 0.0, top - LEVEL.mount_height])
    b = direction @ offset
    a = (direction**2).sum(-1)
    root = b * b - a * (offset @ offset - 1.6**2)
    # where the uppermost one is surely the nearest
    clear = (root > 0.3) & (LEVEL.mount_height + direction[..., 2] * 13.0 > top + 0.8)
    assert clear.sum() > 10
    expected = (b - np.sqrt(np.maximum(root, 0))) / a
    assert found.depth[clear] == pytest.approx(expected[clear], rel=1e-4)
    assert (found.kinds[clear] == SemanticClass.TREE).all()


def test_a_house_hides_what_is_behind_it_and_shows_what_is_before_it():
    house = layout_of(LayoutKind.BUILDING, (20.0, 0.0, 0.0, np.pi, 6.0, 12.0, 8.0))
    hidden = gbuffer(house, users_of(car(30.0)))
    assert not (hidden.kinds == SemanticClass.CAR).any()
    assert np.array_equal(hidden.depth, gbuffer(house).depth)
    shown = gbuffer(house, users_of(car(12.0)))
    is_car = shown.kinds == SemanticClass.CAR
    assert is_car.sum() > 100
    assert (shown.ids[is_car] == shown.num_boxes).all()
    assert (shown.depth[is_car] < 13.2).all()


@pytest.mark.parametrize(
    ("kind", "semantic", "size"),
    [
        (ObjectKind.CAR, SemanticClass.CAR, (4.5, 1.8, 1.5)),
        (ObjectKind.CAR, SemanticClass.CAR, (4.0, 1.8, 2.0)),
        (ObjectKind.TRUCK, SemanticClass.TRUCK, (9.0, 2.5, 3.4)),
        (ObjectKind.PEDESTRIAN, SemanticClass.PEDESTRIAN, (0.5, 0.6, 1.8)),
        (ObjectKind.STATIC, SemanticClass.BARRIER, (1.0, 2.0, 1.0)),
    ],
)
@pytest.mark.parametrize("yaw", [0.0, 2.0, np.pi])
def test_a_road_user_fills_its_box_and_no_more(kind, semantic, size, yaw):
    found = gbuffer(Layout(), users_of((kind, (12.0, 0.5, 0.0, yaw, *size))))
    shown = found.kinds == semantic
    point = CAMERA.mount + pixel_rays(CAMERA) * np.where(np.isfinite(found.depth), found.depth, 0.0)[..., None]
    local = (point[shown] - (12.0, 0.5, 0.0)) @ np.array(
        [[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
    )
    reach = 0.75 if kind == ObjectKind.PEDESTRIAN else 0.25  # a pixel that is mostly hit may miss in its middle
    assert (np.abs(local[:, 0]) < size[0] / 2 + reach).all()
    assert (np.abs(local[:, 1]) < size[1] / 2 + 0.25).all()
    assert (local[:, 2] < size[2] + 0.1).all()
    assert local[:, 2].max() > 0.8 * size[2]
    assert local[:, 2].min() < 0.25 * size[2]


def test_coverage_sums_to_one_and_agrees_with_the_classes():
    layout = with_road(layout_of(LayoutKind.BUILDING, (30.0, 14.0, 0.0, -1.57, 9.0, 12.0, 9.0)))
    found = gbuffer(layout, users_of(car(12.0, -1.5)))
    total = found.coverage.astype(int).sum(-1)
    assert (total == 255).all()
    whole = found.coverage.max(-1) == 255
    assert whole.mean() > 0.7
    assert np.array_equal(found.coverage.argmax(-1)[whole], found.kinds[whole])
    for kind in (SemanticClass.ROAD, SemanticClass.SIDEWALK, SemanticClass.MARKING, SemanticClass.GROUND):
        assert (found.kinds == kind).any(), kind


def test_the_painted_line_lies_where_it_projects():
    found = gbuffer(with_road(Layout()), view=View(x=0.0, y=-1.75, yaw=0.0))
    for distance in (5.0, 8.0, 12.0):
        (u, v), *_ = CAMERA.project(np.array([[distance, 1.75, 0.0]]))[0]
        assert found.kinds[int(v), int(u)] == SemanticClass.MARKING
        assert found.kinds[int(v), int(u) + 8] == SemanticClass.ROAD
    # a line far narrower than a pixel still covers its share of it
    (u, v), *_ = CAMERA.project(np.array([[60.0, 1.75, 0.0]]))[0]
    rows = found.coverage[int(v) - 1 : int(v) + 2, int(u) - 2 : int(u) + 3, SemanticClass.MARKING].astype(float) / 255
    assert rows.sum(1).mean() == pytest.approx(0.3 * CAMERA.focal / (60.0 - CAMERA.mount_x), rel=0.5)


def test_a_large_frame_scaled_down_is_the_small_one():
    layout = with_road(layout_of(LayoutKind.BUILDING, (30.0, 14.0, 0.0, -1.57, 9.0, 12.0, 9.0)))
    users = users_of(car(12.0, -1.5))
    small = gbuffer(layout, users, supersampling=4)
    large = gbuffer(layout, users, camera=PinholeCamera(height_px=256, width_px=256))
    mean = large.coverage.astype(float).reshape(128, 2, 128, 2, -1).mean((1, 3))
    gap = np.abs(mean - small.coverage).max(-1)
    assert np.percentile(gap, 95) < 40
    assert gap.mean() < 6


def test_things_grow_out_of_the_ground_from_150_to_115_metres():
    def height(distance: float) -> float:
        layout = layout_of(LayoutKind.OTHER, (distance + 2.0 + CAMERA.mount_x, 0.0, 0.0, 0.0, 4.0, 30.0, 20.0))
        camera = PinholeCamera(height_px=512, width_px=512)
        rows = np.flatnonzero((gbuffer(layout, camera=camera).ids == 0).any(1))
        return len(rows) * distance / camera.focal

    assert height(151.0) == 0.0
    assert height(110.0) == pytest.approx(20.0, abs=0.5)
    assert height(132.5) == pytest.approx(10.0, abs=0.7)
    assert 0.5 < height(145.0) < 2.0


def test_a_wall_through_the_near_plane_is_cut_not_dropped():
    """The camera stands 0.5 m beside a long wall, which begins behind it."""
    layout = layout_of(LayoutKind.WALL, (0.0, -0.65, 0.0, 0.0, 60.0, 0.3, 3.0))
    found = gbuffer(layout)
    right = pixel_rays(CAMERA)[..., 1] < 0
    t = -0.5 / np.minimum(pixel_rays(CAMERA)[..., 1], -1e-9)
    z = CAMERA.mount_height + t * pixel_rays(CAMERA)[..., 2]
    x = CAMERA.mount_x + t
    clear = right & (z > 0.2) & (z < 2.8) & (x < 28.0)
    assert clear.sum() > 1000
    assert (found.ids[clear] == 0).all()
    assert found.depth[clear] == pytest.approx(t[clear], rel=1e-4)


def test_a_camera_on_a_grade_looks_up():
    layout = layout_of(LayoutKind.OTHER, (32.0, 0.0, 0.0, 0.0, 4.0, 8.0, 12.0))
    flat, raised = gbuffer(layout), gbuffer(layout, view=View(x=0.0, y=0.0, yaw=0.0, grade=0.1))
    first = [np.flatnonzero((g.ids == 0).any(1))[0] for g in (flat, raised)]
    assert first[1] - first[0] == pytest.approx(0.1 * CAMERA.focal, abs=2.0)


def test_thin_posts_stay_whole_at_a_distance():
    layout = layout_of(LayoutKind.POLE, (80.0, 2.0, 0.0, 0.0, 0.2, 0.2, 9.0))
    found = gbuffer(layout)
    column = found.coverage[..., SemanticClass.POLE].max(1)
    rows = np.flatnonzero(column)
    assert len(rows) >= 8
    assert (column[rows[0] : rows[-1] + 1] > 0).all()


def digest() -> str:
    layout = with_road(layout_of(LayoutKind.TREE, (15.0, 5.0, 0.0, 1.0, 4.0, 4.0, 8.0), seed=3))
    found = gbuffer(layout, users_of(car(12.0), (ObjectKind.PEDESTRIAN, (9.0, -2.0, 0.0, 1.0, 0.5, 0.5, 1.8))))
    parts = [found.ids, found.kinds, found.depth, found.coordinates, found.facing, found.colors, found.coverage]
    return hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest()


def test_the_same_bits_in_another_process():
    env = environment(Path(__file__).parent)
    code = "import test_rasterizer; print(test_rasterizer.digest())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == digest()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="nan"):
        View(x=0.0, y=float("nan"), yaw=0.0)
    with pytest.raises(ValueError, match="supersampling"):
        RasterizerConfig(supersampling=0)
    with pytest.raises(ValueError, match="road users must have"):
        RoadUsers(
            kinds=np.zeros(2, np.int64),
            boxes=np.zeros((1, 7)),
            colors=np.zeros((2, 3)),
            braking=np.zeros(2, bool),
            phases=np.zeros(2),
        )
