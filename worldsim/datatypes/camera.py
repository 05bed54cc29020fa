"""The pinhole camera of all worlds: where it is mounted, how it projects, where its rays go. numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def focal_length(fov: float, width_px: int) -> float:
    """Focal length [px] of a picture `width_px` wide with a horizontal field of view `fov` [rad]; square pixels."""
    return 0.5 * width_px / math.tan(0.5 * fov)


def camera_axes(pitch: float, yaw: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """A camera's right, down and forward axes in the vehicle frame, rows [3, 3].

    Args:
        pitch: downward [rad].
        yaw: to the left [rad].
        roll: clockwise seen from behind [rad].
    """
    cy, sy = math.cos(yaw), math.sin(yaw)
    cp, sp = math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    forward = np.array([cy * cp, sy * cp, -sp])
    right = np.array([sy, -cy, 0.0])
    down = np.cross(forward, right)
    return np.stack([cr * right + sr * down, cr * down - sr * right, forward])


@dataclass(frozen=True, kw_only=True)
class CameraGeometry:
    """Where a camera is mounted and how wide it sees.

    Args:
        fov: horizontal field of view [rad].
        mount_height: above the ground [m].
        mount_x: ahead of the ego's centre [m].
        pitch: downward [rad].

    Raises:
        ValueError: the field of view or the height is impossible.
    """

    fov: float = 1.396
    mount_height: float = 1.6
    mount_x: float = 1.2
    pitch: float = 0.052

    def __post_init__(self) -> None:
        if not 0 < self.fov < math.pi:
            raise ValueError(f"fov must lie in (0, pi), got {self.fov}")
        if not self.mount_height > 0:
            raise ValueError(f"mount_height must be positive, got {self.mount_height}")

    @property
    def axes(self) -> np.ndarray:
        """The camera's right, down and forward axes in the vehicle frame, rows [3, 3]."""
        return camera_axes(self.pitch)

    @property
    def mount(self) -> np.ndarray:
        """The camera's position in the vehicle frame, [3] [m]."""
        return np.array([self.mount_x, 0.0, self.mount_height])

    def with_frame_size(self, frame_size: tuple[int, int]) -> PinholeCamera:
        """This camera taking frames of `frame_size`, height and width [px]."""
        height, width = frame_size
        return PinholeCamera(
            height_px=height,
            width_px=width,
            fov=self.fov,
            mount_height=self.mount_height,
            mount_x=self.mount_x,
            pitch=self.pitch,
        )


@dataclass(frozen=True, kw_only=True)
class PinholeCamera(CameraGeometry):
    """A camera with its frame. Pixel coordinates are (column, row), whole numbers are pixel edges, (0, 0) is the upper
    left corner.

    Args:
        height_px: of the frame.
        width_px: of the frame.

    Raises:
        ValueError: the frame is empty, or as for CameraGeometry.
    """

    height_px: int = 128
    width_px: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("height_px", "width_px"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def focal(self) -> float:
        """Focal length [px]."""
        return focal_length(self.fov, self.width_px)

    def project(self, points_vehicle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points of the vehicle frame appear.

        Args:
            points_vehicle: x forward, y left, z up from the ground under the vehicle's centre, [n, 3] [m].

        Returns:
            Pixels [n, 2], NaN for points behind the camera; and their depths along the camera's axis [n] [m].
        """
        points = np.asarray(points_vehicle, float)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points_vehicle must have shape [n, 3], got {points.shape}")
        right, down, depth = self.axes @ (points - self.mount).T
        scale = np.full(len(points), np.nan)
        np.divide(self.focal, depth, out=scale, where=depth > 1e-6)
        return np.stack([right * scale + 0.5 * self.width_px, down * scale + 0.5 * self.height_px], axis=1), depth

    def unproject(self, pixels: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """The points of the vehicle frame [n, 3] [m] that appear at pixels [n, 2] in depths along the camera's axis
        [n] [m]; inverts `project`."""
        centre = np.array([0.5 * self.width_px, 0.5 * self.height_px])
        rays = np.column_stack([(np.asarray(pixels, float) - centre) / self.focal, np.ones(len(depths))])
        return self.mount + (np.asarray(depths, float)[:, None] * rays) @ self.axes
