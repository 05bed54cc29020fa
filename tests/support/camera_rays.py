"""Where the pixels of a camera look, worked out from its pitch alone, apart from the code that is tested."""

import math

import numpy as np

from worldsim.datatypes.camera import PinholeCamera


def pixel_rays(camera: PinholeCamera) -> np.ndarray:
    """Rays of unit depth through the middles of pixels, vehicle frame, float64 [h, w, 3]."""
    rise = (0.5 * camera.height_px - (np.arange(camera.height_px) + 0.5)) / camera.focal
    left = (0.5 * camera.width_px - (np.arange(camera.width_px) + 0.5)) / camera.focal
    c, s = math.cos(camera.pitch), math.sin(camera.pitch)
    return np.stack(np.broadcast_arrays((c + s * rise)[:, None], left, (c * rise - s)[:, None]), axis=-1)
