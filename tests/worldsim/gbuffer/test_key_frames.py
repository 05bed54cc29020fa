"""Key frames: when a picture becomes one, which are kept, and which is recalled."""

import dataclasses

import numpy as np
import pytest
from layouts import car, layout_of, users_of, with_road

from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.key_frames import CAPACITY, KeyFrames, without_road_users
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import draw_surfaces
from worldsim.gbuffer.view import View

STREET = StaticWorld(with_road(layout_of(LayoutKind.BUILDING, (30.0, 16.0, 0.0, -np.pi / 2, 10.0, 14.0, 8.0))))
SIZE = (64, 64)


def geometry(x: float, yaw: float = 0.0, users: RoadUsers | None = None, world: StaticWorld = STREET,
             size: tuple[int, int] = SIZE) -> PictureGeometry:  # fmt: skip
    users = users or RoadUsers.none()
    scene = CameraScene(view=View(x=x, y=0.0, yaw=yaw), users=users, user_ids=np.arange(len(users.kinds)))
    return draw_surfaces(Rasterizer(CameraGeometry().with_frame_size(size)), world, scene).geometry


def picture(number: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((*size, 3), number, np.uint8)


def drive(*poses: tuple[float, float]) -> KeyFrames:
    memory = KeyFrames()
    for k, (x, yaw) in enumerate(poses):
        memory = memory.insert(picture(k), geometry(x, yaw))
    return memory


def numbers(memory: KeyFrames) -> list[int]:
    return [int(memory.picture(k)[0, 0, 0]) for k in range(len(memory))]


def test_a_picture_is_kept_after_four_metres_or_a_turn():
    assert numbers(drive((0.0, 0.0), (3.9, 0.0), (4.1, 0.0), (4.1, 0.29), (4.1, 0.31), (7.0, 0.31), (8.2, 0.31))) == [
        0, 2, 4, 6
    ]  # fmt: skip


def test_a_memory_is_not_changed_by_one_made_from_it():
    before = drive((0.0, 0.0))
    after = before.insert(picture(9), geometry(5.0))
    assert (len(before), len(after)) == (1, 2)
    assert after._frames[0] is before._frames[0]
    assert numbers(after) == [0, 9]


def test_a_key_frame_is_packed_and_comes_out_the_same():
    shown, seen = np.random.default_rng(0).integers(0, 40, (*SIZE, 3), np.uint8), geometry(0.0)
    memory = KeyFrames().insert(shown, seen, np.full((8, 8, 8), 0.1, np.float32))
    np.testing.assert_array_equal(memory.picture(0), shown)
    np.testing.assert_array_equal(memory.geometry(0).depth, without_road_users(seen).depth.astype(np.float16))
    np.testing.assert_allclose(memory.latent(0), 0.1, rtol=1e-3)
    kept = memory._frames[0]
    assert len(kept.picture) + len(kept.depth) < 0.7 * (shown.nbytes + seen.depth.nbytes / 2)


def test_what_a_key_frame_shows_is_fetched_as_from_any_picture():
    old, new = geometry(0.0), geometry(1.0, 0.1)
    memory = KeyFrames().insert(picture(), old)
    expected, got = reproject(new, old), reproject(new, memory.geometry(0))
    assert np.array_equal(expected[0], got[0])
    assert (expected[1] == got[1]).mean() > 0.99  # depth is kept to three digits


def test_road_users_are_never_visible_in_a_key_frame():
    users = users_of(car(12.0))
    old = geometry(0.0, users=users)
    memory = KeyFrames().insert(picture(), old)
    _, visible = reproject(old, memory.geometry(0))
    assert not visible[old.users == 0].any()
    # nor what was hidden by them
    empty = geometry(0.0)
    _, visible = reproject(empty, memory.geometry(0))
    assert not visible[old.users == 0].any()
    assert visible[old.users < 0].mean() > 0.9


def test_of_too_many_the_later_of_the_closest_two_goes():
    places = [5.0 * k for k in range(CAPACITY)]
    places[10] -= 0.9
    memory = drive(*[(x, 0.0) for x in places])
    assert len(memory) == CAPACITY
    memory = memory.insert(picture(200), geometry(places[-1] + 5.0))
    assert numbers(memory) == [*range(10), *range(11, CAPACITY), 200]
    # the next that comes is measured from the last inserted, also if that was left out
    near = memory.insert(picture(201), geometry(places[-1] + 9.1))
    assert 201 not in numbers(near)
    assert len(near) == CAPACITY
    assert near.insert(picture(202), geometry(places[-1] + 11.0)) is near


def test_the_one_that_shows_most_of_what_is_missing_is_recalled():
    new = geometry(0.5)
    left, right = np.ones(SIZE, np.float32), np.ones(SIZE, np.float32)
    left[:, :24], right[:, 40:] = 0.0, 0.0
    sideways = drive((0.0, 0.5), (0.0, -0.5))
    assert sideways.retrieve(new, left) == 0
    assert sideways.retrieve(new, right) == 1
    assert drive((0.0, 0.5), (0.0, 0.0), (0.0, -0.5)).retrieve(new, np.zeros(SIZE, np.float32)) == 1


def test_where_nothing_is_missing_the_one_that_shows_most_is_recalled():
    memory = drive((0.0, 0.6), (0.0, 0.0))
    assert memory.retrieve(geometry(0.5), np.ones(SIZE, np.float32)) == 1


def test_nothing_is_recalled_where_nothing_helps():
    nothing = np.zeros(SIZE, np.float32)
    assert KeyFrames().retrieve(geometry(0.0), nothing) is None
    assert drive((0.0, 0.0)).retrieve(geometry(0.0, np.pi), nothing) is None
    assert drive((-100.0, 0.0)).retrieve(geometry(0.0), nothing) is None


def test_pictures_without_a_layout_are_kept_and_retrieved_by_guessed_depths():
    unknown = StaticWorld(Layout.unknown())
    memory = KeyFrames().insert(picture(), geometry(0.0, world=unknown))
    assert len(memory) == 1
    assert memory.retrieve(geometry(2.0, world=unknown), np.zeros(SIZE, np.float32)) == 0


@pytest.mark.parametrize("size", [(64, 96), (128, 128), (256, 256)])
def test_frames_may_have_any_size(size: tuple[int, int]):
    memory = KeyFrames().insert(picture(size=size), geometry(0.0, size=size))
    assert memory.retrieve(geometry(1.0, size=size), np.zeros(size, np.float32)) == 0


def test_what_does_not_fit_is_refused():
    memory, one = drive((0.0, 0.0)), geometry(5.0)
    with pytest.raises(ValueError, match=r"picture must be uint8 \[64, 64, 3\], got uint8 \[32, 64, 3\]"):
        memory.insert(picture(size=(32, 64)), one)
    with pytest.raises(ValueError, match="cannot take one of"):
        memory.insert(picture(size=(64, 96)), geometry(5.0, size=(64, 96)))
    with pytest.raises(ValueError, match="multiple of 8 px"):
        memory.retrieve(geometry(0.0, size=(60, 64)), np.zeros((60, 64), np.float32))
    with pytest.raises(ValueError, match="as large as"):
        memory.retrieve(one, np.zeros((8, 8), np.float32))
    with pytest.raises(ValueError, match="road users"):
        dataclasses.replace(one, user_ids=np.zeros(2, np.int64))


def test_pixels_that_show_several_things_are_not_recalled():
    """A pole before the sky covers parts of pixels; what else a key frame shows, it shows."""
    pole = StaticWorld(layout_of(LayoutKind.POLE, (12.0, 0.35, 0.0, 0.0, 0.2, 0.2, 5.0)))
    seen = geometry(0.0, world=pole)
    memory = KeyFrames().insert(picture(), seen)
    assert seen.mixed.sum() > 10
    depth = memory.geometry(0).depth
    assert np.isnan(depth[seen.mixed]).all()
    assert not np.isnan(depth[~seen.mixed]).any()
    assert not memory.geometry(0).mixed.any()
    for pure in (False, True):
        _, visible = reproject(seen, memory.geometry(0), pure=pure)
        assert not visible[seen.mixed].any()
        assert visible[~seen.mixed].mean() > 0.95
