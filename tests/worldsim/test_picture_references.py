"""References of pictures in a row."""

import numpy as np
import pytest
import torch
from layouts import layout_of, with_road

from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import LayoutKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import draw_surfaces
from worldsim.gbuffer.view import View
from worldsim.networks.vae3d import frames_to_float
from worldsim.picture_references import Fetch, refer_to_previous

CPU = torch.device("cpu")
STREET = StaticWorld(with_road(layout_of(LayoutKind.BUILDING, (20.0, 9.0, 0.0, 0.0, 8.0, 8.0, 6.0))))


def geometry(x: float) -> PictureGeometry:
    scene = CameraScene(view=View(x=x, y=0.0, yaw=0.0), users=RoadUsers.none(), user_ids=np.zeros(0, np.int64))
    return draw_surfaces(Rasterizer(PinholeCamera()), STREET, scene).geometry


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (128, 128, 3), np.uint8)


def test_a_picture_refers_to_the_one_before_and_the_first_to_none() -> None:
    pictures = [noise(k) for k in range(3)]
    still = geometry(0.0)
    found = refer_to_previous([pictures[0], *pictures], [None, still, still, geometry(1.0)], CPU)
    assert found.last.shape == (3, 3, 128, 128)
    assert not found.last_visible[0].any()
    assert not found.recalled_visible.any()

    # where nothing moves, the picture before stands where it stood
    seen = found.last_visible[1, 0] > 0
    assert seen.float().mean() > 0.8
    before = frames_to_float(torch.from_numpy(pictures[0]))
    assert (found.last[1] - before)[:, seen].abs().max() < 1e-4

    # a metre on, it is fetched as in a drive
    moved = Fetch.between(geometry(1.0), still, pictures[1])
    assert 0.5 < moved.visible.mean() < 1.0
    assert torch.equal(found.last_visible[2, 0], torch.from_numpy(moved.visible))


@pytest.mark.parametrize("missing", [0, 1])
def test_nothing_is_seen_of_a_missing_picture_nor_by_one(missing: int) -> None:
    geometries: list[PictureGeometry | None] = [geometry(0.0), geometry(0.0)]
    geometries[missing] = None
    assert not refer_to_previous([noise(0), noise(1)], geometries, CPU).last_visible.any()
