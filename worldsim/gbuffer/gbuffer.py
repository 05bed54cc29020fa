"""GBuffer: what a frame shows, before it is painted. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class GBuffer:
    """Of each frame pixel, what most of it shows, at its middle; and how much of it each class covers.

    Args:
        ids: index of the box in the layout, `num_boxes` + index of the road user, GROUND_ID or SKY_ID, int32 [h, w].
        kinds: SemanticClass, uint8 [h, w].
        parts: Part, uint8 [h, w]; NO_PART on the ground and in the sky.
        depth: along the camera's axis, float32 [h, w] [m]; inf in the sky.
        coordinates: on faces along the base and up from it; on ellipsoids around and up from the middle; on the ground
            x and y of the ground frame; float64 [h, w, 2] [m].
        on_face: where on its flat face a point lies, across from left to right and up, -1 to 1, float32 [h, w, 2]; 0 on
            ellipsoids, the ground and in the sky.
        details: shares of the pixel, by face_details.Detail, float32 [h, w, NUM_DETAILS]; 0 on what has none.
        facing: cosine between surface normal and ray, float32 [h, w]; 0 in the sky.
        normals: outward unit normals in the ground frame, float32 [h, w, 3]; in the sky the ray's direction.
        mixed: pixels that show parts of things one before the other, bool [h, w].
        colors: of the surface, without light and detail, RGB, uint8 [h, w, 3]; on the ground of the paint there,
            0 where there is none and in the sky.
        coverage: shares of the classes, 255 together, uint8 [h, w, len(SemanticClass)].
        num_boxes: boxes in the layout.
    """

    ids: np.ndarray
    kinds: np.ndarray
    parts: np.ndarray
    depth: np.ndarray
    coordinates: np.ndarray
    on_face: np.ndarray
    details: np.ndarray
    facing: np.ndarray
    normals: np.ndarray
    mixed: np.ndarray
    colors: np.ndarray
    coverage: np.ndarray
    num_boxes: int
