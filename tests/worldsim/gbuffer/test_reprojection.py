"""Reprojection: every pixel says where it was, by what was painted there."""

import dataclasses

import numpy as np
import pytest
from layouts import car, layout_of, users_of, with_road

from worldsim.datatypes.camera import CameraGeometry, PinholeCamera
from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import draw_surfaces
from worldsim.gbuffer.view import View

HOUSES = layout_of(
    LayoutKind.BUILDING, (30.0, 16.0, 0.0, -np.pi / 2, 10.0, 14.0, 8.0), (45.0, -18.0, 0.0, np.pi / 2, 10.0, 20.0, 8.0)
)
STREET = StaticWorld(with_road(HOUSES))
HERE = View(x=0.0, y=0.0, yaw=0.0)


def geometry(
    view: View = HERE, users: RoadUsers | None = None, ids: list[int] | None = None, world: StaticWorld = STREET,
    size: tuple[int, int] = (128, 128),
) -> PictureGeometry:  # fmt: skip
    users = users or RoadUsers.none()
    ids = list(range(len(users.kinds))) if ids is None else ids
    scene = CameraScene(view=view, users=users, user_ids=np.array(ids, np.int64))
    return draw_surfaces(Rasterizer(CameraGeometry().with_frame_size(size)), world, scene).geometry


def points(of: PictureGeometry) -> np.ndarray:
    """Points of the ground frame at the pixels, [h, w, 3]."""
    height, width = of.depth.shape
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([(u - width / 2) / of.focal, (v - height / 2) / of.focal, np.ones_like(u)], axis=-1)
    depth = np.where(np.isinf(of.depth), 1e6, of.depth)
    return of.position + (rays * depth[..., None]) @ of.axes


def project(of: PictureGeometry, at: np.ndarray) -> np.ndarray:
    """Where points [..., 3] appear, as a grid [..., 2]."""
    there = (at - of.position) @ of.axes.T
    size = np.array(of.depth.shape[::-1])
    return 2.0 * (there[..., :2] / there[..., 2:] * of.focal + size / 2) / size - 1.0


@pytest.mark.parametrize("size", [(128, 128), (64, 96), (256, 256)])
def test_a_picture_is_where_it_is_when_nothing_moved(size: tuple[int, int]):
    one = geometry(users=users_of(car(12.0)), size=size)
    grid, visible = reproject(one, one)
    height, width = size
    v, u = np.mgrid[0:height, 0:width] + 0.5
    assert grid == pytest.approx(np.stack([2 * u / width - 1, 2 * v / height - 1], axis=-1), abs=1e-5)
    assert (visible == 1.0).all()
    assert grid.dtype == visible.dtype == np.float32


@pytest.mark.parametrize("view", [
    View(x=1.5, y=0.0, yaw=0.0), View(x=1.0, y=0.4, yaw=0.15), View(x=0.5, y=-0.2, yaw=-0.1, z=0.3, grade=0.05),
])  # fmt: skip
def test_static_surfaces_are_fetched_by_the_motion_of_the_camera(view: View):
    new, old = geometry(view), geometry()
    grid, visible = reproject(new, old)
    seen = (visible > 0) & np.isfinite(new.depth)
    assert visible.mean() > 0.8
    expected = project(old, points(new)[seen])
    assert grid[seen] == pytest.approx(expected, abs=1e-4)
    inside = (np.abs(grid) < 1).all(axis=-1)
    assert not visible[~inside].any()


def test_the_far_ground_is_visible_although_a_pixel_is_metres_of_it():
    world = StaticWorld(with_road(Layout()))
    _, visible = reproject(geometry(View(x=1.0, y=0.0, yaw=0.0), world=world), geometry(world=world))
    ground = np.isfinite(geometry(View(x=1.0, y=0.0, yaw=0.0), world=world).depth)
    assert visible[ground][:1000].mean() > 0.97


def test_the_sky_is_fetched_by_the_turn_alone_and_only_from_the_sky():
    turned = View(x=40.0, y=0.0, yaw=0.2)
    new, old = geometry(turned), geometry()
    grid, visible = reproject(new, old)
    sky = np.isinf(new.depth)
    far = dataclasses.replace(new, depth=np.where(sky, np.float32(1e9), new.depth).astype(np.float32))
    assert grid[sky].clip(-1, 1) == pytest.approx(project(old, points(far)[sky]).clip(-1, 1), abs=1e-3)
    size = np.array([128, 128])
    column, row = np.moveaxis(((grid[sky & (visible > 0)] + 1) / 2 * size).astype(int), -1, 0)
    assert np.isinf(old.depth[row, column]).all()
    assert visible[sky].sum() > 1000
    assert (visible[sky] == 0).any()


def test_a_moving_car_is_fetched_by_its_own_motion():
    before, now = users_of(car(12.0, 1.0)), users_of(car(13.2, 1.3))
    now.boxes[0, BoxColumn.YAW] = 0.1
    new, old = geometry(View(x=0.5, y=0.0, yaw=0.02), now), geometry(HERE, before)
    grid, visible = reproject(new, old)
    seen = (new.users == 0) & (visible > 0)
    assert seen.sum() > 0.8 * (new.users == 0).sum() > 100
    # from the car's frame now into its frame then
    c, s = np.cos(-0.1), np.sin(-0.1)
    at = points(new)[seen] - (13.2, 1.3, 0.0)
    at = at @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + (12.0, 1.0, 0.0)
    assert grid[seen] == pytest.approx(project(old, at), abs=1e-4)
    # the road that it has left was hidden
    column, row = np.moveaxis(((grid + 1) / 2 * 128).astype(int).clip(0, 127), -1, 0)
    was_car = old.users[row, column] == 0
    assert not visible[(new.users < 0) & was_car].any()


@pytest.mark.parametrize("change", ["id", "kind", "size", "far"])
def test_another_road_user_is_not_the_same(change: str):
    users = users_of(car(12.0))
    moved = users_of(car(12.0))
    kind = users.kinds + 1 if change == "kind" else users.kinds
    if change == "size":
        moved.boxes[0, BoxColumn.LENGTH] += 0.5
    if change == "far":
        moved.boxes[0, BoxColumn.X] += 6.0
    new = dataclasses.replace(geometry(users=moved, ids=[4 if change == "id" else 3]), user_kinds=kind)
    grid, visible = reproject(new, geometry(users=users, ids=[3]))
    assert not visible[new.users == 0].any()
    assert np.isfinite(grid).all()
    assert visible[:60].mean() > 0.9


def test_a_car_that_comes_out_from_behind_a_house_is_not_visible():
    world = StaticWorld(layout_of(LayoutKind.BUILDING, (20.0, 8.0, 0.0, 0.0, 8.0, 8.0, 6.0)))
    hidden, out = users_of(car(35.0, 9.0)), users_of(car(35.0, 5.0))
    new, old = geometry(users=out, world=world), geometry(users=hidden, world=world)
    assert (new.users == 0).sum() > 10
    assert (old.users == -1).all()
    _, visible = reproject(new, old)
    assert not visible[new.users == 0].any()
    # and where it stands now, it hides what was seen
    back = reproject(geometry(users=hidden, world=world), new)[1]
    assert not back[new.users == 0].any()


def test_a_picture_may_be_fetched_from_one_of_another_size():
    new, old = geometry(View(x=1.0, y=0.0, yaw=0.1)), geometry(size=(64, 96))
    grid, visible = reproject(new, old)
    seen = (visible > 0) & np.isfinite(new.depth)
    assert seen.sum() > 3000
    assert grid[seen] == pytest.approx(project(old, points(new)[seen]), abs=1e-4)


def test_cells_say_where_their_middle_was():
    new, old = geometry(View(x=0.3, y=0.1, yaw=0.03)), geometry()
    fine, visible = reproject(new, old)
    grid, seen = reproject(new, old, stride=8)
    assert grid.shape == (16, 16, 2)
    assert seen.shape == (16, 16)
    corners = np.stack([fine[4 - i :: 8, 4 - j :: 8][:16, :16] for i in (0, 1) for j in (0, 1)])
    even = (np.ptp(corners, axis=0).max(-1) < 0.03) & np.isfinite(new.depth[4::8, 4::8])
    assert even.sum() > 100
    assert grid[even] == pytest.approx(corners.mean(0)[even], abs=4e-3)
    assert np.array_equal(seen, visible[4::8, 4::8])


def test_without_a_layout_pictures_are_fetched_as_of_flat_ground_and_a_far_wall():
    unknown = StaticWorld(Layout.unknown())
    new, old = geometry(View(x=1.0, y=0.0, yaw=0.1), world=unknown), geometry(world=unknown)
    grid, visible = reproject(new, old)
    assert grid[:55] == pytest.approx(project(old, points(new)[:55]), abs=1e-4)
    inside = (np.abs(grid) < 0.95).all(-1)
    assert visible[inside].mean() > 0.95
    assert not visible[(np.abs(grid) > 1.0).any(-1)].any()


def test_what_lies_behind_the_old_camera_is_outside_of_its_picture():
    grid, visible = reproject(geometry(View(x=0.0, y=0.0, yaw=np.pi)), geometry())
    assert not visible.any()
    assert np.isfinite(grid).all()


def test_bad_geometry_is_refused():
    one = geometry()
    with pytest.raises(ValueError, match="stride must divide the picture of 128 x 128 px, got 3"):
        reproject(one, one, stride=3)
    with pytest.raises(ValueError, match="h, w"):
        dataclasses.replace(one, users=one.users[:3])
    with pytest.raises(ValueError, match="1 road users"):
        dataclasses.replace(one, user_ids=np.zeros(1, np.int64))
    assert one.focal == PinholeCamera().focal


def flat(depth: np.ndarray, **changes) -> PictureGeometry:
    """Seen from the origin along the third axis, with a focal length of 10 px and no road users."""
    plain = PictureGeometry(
        depth=depth.astype(np.float32),
        users=np.full(depth.shape, -1, np.int16),
        mixed=np.zeros(depth.shape, bool),
        user_ids=np.arange(2),
        user_kinds=np.ones(2, np.int64),
        user_boxes=np.tile([0.0, 0.0, 0.0, 0.0, 4.0, 2.0, 1.5], (2, 1)),
        axes=np.eye(3),
        position=np.zeros(3),
        focal=10.0,
    )
    return dataclasses.replace(plain, **changes)


WALL_DEPTH = np.full((4, 8), 10.0)
ASIDE = np.array([0.45, 0.0, 0.0])
"""So far to the right the camera moves, for a wall 10 m away to move by 0.45 pixels to the left."""

COS, SIN = np.cos(0.04), np.sin(0.04)
"""Of a turn by 0.4 pixels, in the picture's middle."""


def seen_columns(new: PictureGeometry, old: PictureGeometry, *, pure: bool = True) -> list[bool]:
    _, visible = reproject(new, old, pure=pure)
    assert (visible == visible[0]).all()
    return (visible[0] > 0).tolist()


def test_inside_a_face_what_is_fetched_is_pure() -> None:
    new, old = flat(WALL_DEPTH, position=ASIDE), flat(WALL_DEPTH)
    assert seen_columns(new, old) == seen_columns(new, old, pure=False) == [True] * 8
    # on the slanting ground too, where neighbours are a fifth deeper
    slope = np.repeat(10.0 * 1.2 ** np.arange(8)[::-1, None], 8, axis=1)
    turned = np.array([[1, 0, 0], [0, COS, -SIN], [0, SIN, COS]])
    new = flat(slope, axes=turned, position=np.array([0.0, 0.0, 0.1]))
    assert reproject(new, flat(slope))[1].sum() > 40
    assert np.array_equal(reproject(new, flat(slope), pure=True)[1], reproject(new, flat(slope))[1])


def test_at_an_edge_nothing_is_fetched_that_is_interpolated_across_it() -> None:
    edge = np.where(np.arange(8) < 4, 10.0, 30.0) * np.ones((4, 1))
    old = flat(edge)
    # where nothing moved, every pixel is its own
    assert seen_columns(old, old) == [True] * 8
    # a little aside, the last of the near ones lies between both
    near = flat(WALL_DEPTH, position=ASIDE)
    assert seen_columns(near, old, pure=False) == [True] * 4 + [False] * 4
    assert seen_columns(near, old) == [True] * 3 + [False] * 5


def test_the_sky_beside_a_pole_is_not_fetched_with_some_of_the_pole_in_it() -> None:
    pole = np.where(np.arange(8) == 4, 8.0, np.inf) * np.ones((4, 1))
    axes = np.array([[COS, 0, -SIN], [0, 1, 0], [SIN, 0, COS]])
    new, old = flat(np.full((4, 8), np.inf), axes=axes), flat(pole)
    assert seen_columns(new, old, pure=False) == [True] * 4 + [False] + [True] * 3
    assert seen_columns(new, old) == [True] * 3 + [False] * 2 + [True] * 3


def test_neither_mixed_pixels_nor_those_of_other_road_users_are_interpolated_from() -> None:
    new, mixed = flat(WALL_DEPTH, position=ASIDE), np.zeros(WALL_DEPTH.shape, bool)
    mixed[:, 4] = True
    assert seen_columns(new, flat(WALL_DEPTH, mixed=mixed), pure=False) == [True] * 8
    assert seen_columns(new, flat(WALL_DEPTH, mixed=mixed)) == [True] * 3 + [False] * 2 + [True] * 3

    users = np.where(np.arange(8) < 4, 0, 1).astype(np.int16) * np.ones((4, 1), np.int16)
    both = [flat(WALL_DEPTH, users=users, position=at) for at in (ASIDE, np.zeros(3))]
    assert seen_columns(*both, pure=False) == [True] * 8
    assert seen_columns(*both) == [True] * 3 + [False] + [True] * 4


def test_a_pixel_that_hardly_counts_does_not_matter() -> None:
    mixed = np.zeros(WALL_DEPTH.shape, bool)
    mixed[:, 4] = True
    for share, expected in ((0.05, True), (0.2, False)):  # of the pixel to the right
        new = flat(WALL_DEPTH, position=np.array([share, 0.0, 0.0]))
        assert seen_columns(new, flat(WALL_DEPTH, mixed=mixed))[3] == expected


def test_planes_of_a_geometry_have_one_shape() -> None:
    with pytest.raises(ValueError, match=r"depth, users and mixed must be \[h, w\] alike, got .*\(2, 8\)\)"):
        flat(WALL_DEPTH, mixed=np.zeros((2, 8), bool))
