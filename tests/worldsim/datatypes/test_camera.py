"""The pinhole against its closed form, and rays against the projection they invert."""

import numpy as np
import pytest
from camera_rays import pixel_rays

from worldsim.datatypes.camera import CameraGeometry, PinholeCamera, camera_axes, focal_length


def test_projection_is_the_pinholes() -> None:
    camera = PinholeCamera(pitch=0.0)
    pixels, depth = camera.project(np.array([[11.2, 0.0, 1.6], [11.2, 2.0, 0.0]]))
    assert depth == pytest.approx([10.0, 10.0])
    assert pixels[0] == pytest.approx([64.0, 64.0])
    assert pixels[1] == pytest.approx([64 - camera.focal * 0.2, 64 + camera.focal * 0.16])


def test_a_right_angle_of_view_has_half_the_width_as_focal_length() -> None:
    assert focal_length(np.pi / 2, 640) == pytest.approx(320.0)


def test_a_ray_projects_to_the_pixel_it_came_from() -> None:
    camera = CameraGeometry(fov=1.1, pitch=0.2).with_frame_size((96, 160))
    pixels, depth = camera.project((camera.mount + 7.0 * pixel_rays(camera)).reshape(-1, 3))
    rows, columns = np.mgrid[0:96, 0:160] + 0.5
    assert pixels == pytest.approx(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    assert depth == pytest.approx(np.full(96 * 160, 7.0))


def test_axes_turn_left_and_down_and_stay_orthonormal() -> None:
    axes = camera_axes(pitch=0.3, yaw=0.5, roll=0.2)
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert camera_axes(pitch=0.0, yaw=np.pi / 2)[2] == pytest.approx([0.0, 1.0, 0.0])  # looks left
    assert camera_axes(pitch=np.pi / 2)[2] == pytest.approx([0.0, 0.0, -1.0])  # looks down


def test_impossible_cameras_are_named() -> None:
    with pytest.raises(ValueError, match=r"fov must lie in .*4\.0"):
        CameraGeometry(fov=4.0)
    with pytest.raises(ValueError, match="mount_height must be positive, got 0"):
        CameraGeometry(mount_height=0)
    with pytest.raises(ValueError, match="width_px must be at least 1, got 0"):
        PinholeCamera(width_px=0)
    with pytest.raises(ValueError, match="shape"):
        PinholeCamera().project(np.zeros((4, 2)))
