"""Pictures of CARLA's cameras in our terms: RGB, metres, SemanticClass. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from worldsim.gbuffer.classes import SemanticClass

DEPTH_FAR = 1000.0
"""What CARLA's depth camera cannot see beyond [m]."""
_DEPTH_CODES = 2**24 - 1

_CLASS_OF_TAG = {
    0: SemanticClass.OTHER,  # unlabelled
    1: SemanticClass.ROAD,
    2: SemanticClass.SIDEWALK,
    3: SemanticClass.BUILDING,
    4: SemanticClass.WALL,
    5: SemanticClass.WALL,  # fence
    6: SemanticClass.POLE,
    7: SemanticClass.LIGHT,
    8: SemanticClass.SIGN,
    9: SemanticClass.TREE,  # vegetation
    10: SemanticClass.GROUND,  # terrain
    11: SemanticClass.SKY,
    12: SemanticClass.PEDESTRIAN,
    13: SemanticClass.PEDESTRIAN,  # rider
    14: SemanticClass.CAR,
    15: SemanticClass.TRUCK,
    16: SemanticClass.TRUCK,  # bus
    17: SemanticClass.OTHER,  # train
    18: SemanticClass.CAR,  # motorcycle, which is a CAR among the objects too
    19: SemanticClass.CAR,  # bicycle, likewise
    20: SemanticClass.OTHER,  # static
    21: SemanticClass.OTHER,  # dynamic
    22: SemanticClass.OTHER,
    23: SemanticClass.GROUND,  # water
    24: SemanticClass.MARKING,
    25: SemanticClass.GROUND,
    26: SemanticClass.OTHER,  # bridge
    27: SemanticClass.GROUND,  # rail track
    28: SemanticClass.WALL,  # guard rail
}
_TAG_OF_CLASS = {
    SemanticClass.SKY: 11,
    SemanticClass.ROAD: 1,
    SemanticClass.SIDEWALK: 2,
    SemanticClass.GROUND: 10,
    SemanticClass.MARKING: 24,
    SemanticClass.CROSSWALK: 24,
    SemanticClass.STOP_LINE: 24,
    SemanticClass.CURB: 2,
    SemanticClass.BUILDING: 3,
    SemanticClass.ROOF: 3,
    SemanticClass.TREE: 9,
    SemanticClass.POLE: 6,
    SemanticClass.SIGN: 8,
    SemanticClass.LIGHT: 7,
    SemanticClass.WALL: 4,
    SemanticClass.OTHER: 22,
    SemanticClass.CAR: 14,
    SemanticClass.TRUCK: 15,
    SemanticClass.PEDESTRIAN: 12,
    SemanticClass.BARRIER: 20,
}
_CLASSES = np.full(256, int(SemanticClass.OTHER), np.uint8)
_CLASSES[list(_CLASS_OF_TAG)] = list(_CLASS_OF_TAG.values())
_TAGS = np.array([_TAG_OF_CLASS[kind] for kind in SemanticClass], np.uint8)


def rgb_of(pixels: np.ndarray) -> np.ndarray:
    """RGB uint8 [h, w, 3] of a camera's pixels B, G, R, A uint8 [h, w, 4]."""
    return np.ascontiguousarray(pixels[..., 2::-1])


def rgb_pixels(frame: np.ndarray) -> np.ndarray:
    """The inverse of `rgb_of`."""
    pixels = np.full((*frame.shape[:2], 4), 255, np.uint8)
    pixels[..., 2::-1] = frame
    return pixels


def depth_of(pixels: np.ndarray) -> np.ndarray:
    """Distance along the camera's axis float16 [h, w] [m], inf from DEPTH_FAR on, of a depth camera's pixels B, G, R, A
    uint8 [h, w, 4], which hold R + 256 G + 65536 B parts of 2^24 - 1 of it."""
    blue, green, red = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    codes = red + 256 * green + 65536 * blue
    depth = codes * (DEPTH_FAR / _DEPTH_CODES)
    return np.where(codes == _DEPTH_CODES, np.inf, depth).astype(np.float16)


def semantic_of(pixels: np.ndarray) -> np.ndarray:
    """SemanticClass uint8 [h, w] of a segmentation camera's pixels B, G, R, A uint8 [h, w, 4], whose R is CARLA's tag.

    CARLA tells less apart: roofs are BUILDING, crosswalks and stop lines MARKING, kerbs SIDEWALK, barriers OTHER.
    """
    return _CLASSES[pixels[..., 2]]


def depth_pixels(depth: np.ndarray) -> np.ndarray:
    """The inverse of `depth_of`, uint8 [h, w, 4]."""
    metres = np.minimum(depth.astype(np.float64), DEPTH_FAR)
    codes = np.rint(metres * (_DEPTH_CODES / DEPTH_FAR)).astype(np.uint32)
    pixels = np.full((*depth.shape, 4), 255, np.uint8)
    pixels[..., 2], pixels[..., 1], pixels[..., 0] = codes & 255, codes >> 8 & 255, codes >> 16
    return pixels


def semantic_pixels(classes: np.ndarray) -> np.ndarray:
    """A segmentation camera's pixels B, G, R, A uint8 [h, w, 4] of SemanticClass uint8 [h, w]."""
    pixels = np.zeros((*classes.shape, 4), np.uint8)
    pixels[..., 2], pixels[..., 3] = _TAGS[classes], 255
    return pixels


SENSOR_BLUEPRINTS: Mapping[str, str] = {
    "depth": "sensor.camera.depth",
    "semantic": "sensor.camera.semantic_segmentation",
}
"""CARLA's cameras for SENSOR_NAMES."""
DECODERS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"depth": depth_of, "semantic": semantic_of}
"""From a camera's pixels to the picture of that name."""
PIXELS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "rgb": rgb_pixels,
    "depth": depth_pixels,
    "semantic": semantic_pixels,
}
"""From a picture to what a camera sends."""
