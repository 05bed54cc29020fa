"""Motion compensation against the pinhole camera's closed form."""

import math

import pytest
import torch

from worldsim.conditioning.warp import MotionWarp
from worldsim.datatypes.camera import CameraGeometry


def test_standing_still_changes_nothing() -> None:
    latents = torch.randn(2, 3, 8, 16, 16)
    warped = MotionWarp(CameraGeometry(), (128, 128))(latents, torch.zeros(2, 3, 6))
    torch.testing.assert_close(warped, latents, atol=1e-4, rtol=1e-4)


def test_a_ground_point_is_found_where_it_was() -> None:
    camera = CameraGeometry(pitch=0.0, mount_x=0.0)
    warp = MotionWarp(camera, (128, 128))
    grid = warp.grid(torch.tensor([[2.0, 0, 0, 0, 0, 0]]), warp.points)
    row, column = 12, 8  # cell centre at pixel v = 100, u = 68
    depth = camera.mount_height * warp.focal / (100 - 64)
    left = -(68 - 64) / warp.focal * depth
    u = 64 - warp.focal * left / (depth + 2.0)
    v = 64 + warp.focal * camera.mount_height / (depth + 2.0)
    assert grid[0, row, column, 0].item() == pytest.approx(u / 64 - 1, abs=1e-5)
    assert grid[0, row, column, 1].item() == pytest.approx(v / 64 - 1, abs=1e-5)


def test_turning_left_moves_the_picture_right() -> None:
    latents = torch.arange(16.0).expand(1, 1, 1, 16, 16)
    warped = MotionWarp(CameraGeometry(), (128, 128))(latents, torch.tensor([[[0, 0, math.radians(5), 0, 0, 0]]]))
    middle = warped[0, 0, 0, 4, 4:12]
    assert (middle < latents[0, 0, 0, 4, 4:12]).all()
